import { BlockDevice, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const uncaught = [];
process.on('uncaughtException', ({ message }) => uncaught.push(message));

const fail = (message) => () => {
  throw new Error(message);
};
const device = new BlockDevice({
  name: 'throwing',
  limits: { blockSizeBytes: 1, sizeBytes: 65536, memoryAlignmentBytes: 1, maxTransferBytes: 512 },
  capabilities: { readOnly: false, progress: 'none' },
  start: fail('start'),
  startSync: fail('startSync'),
  poll: () => 0,
  wait: () => 0,
  describe: () => ({}),
  config: () => ({ driver: 'throwing' }),
  handle: () => ({ driver: 'throwing' }),
  close: () => {},
});

function request(lengthBytes) {
  const io = new BlockIo();
  return Object.assign(io, { buffer: IoBuffer.allocate(2048), lengthBytes });
}

async function start(lengthBytes) {
  const io = request(lengthBytes);
  await new Promise((resolve) => {
    io.iodone = resolve;
    device.strategy(io);
  });
  return io.error;
}

function startSync(lengthBytes) {
  const io = request(lengthBytes);
  device.strategySync(io);
  return io.error;
}

const errors = {};
errors.strategy = await start(512);
errors.split = await start(600);
errors.sync = startSync(512);
errors.splitSync = startSync(600);
const { inFlight } = device;
await device.close();
await new Promise(setImmediate);
console.log(JSON.stringify({ errors, inFlight, uncaught }));
