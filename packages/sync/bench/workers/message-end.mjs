// One end of a MessageChannel. The consumer says how many seconds it took.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';

const { side, port, messages, gate } = workerData;
const words = new Int32Array(gate);
let received = 0;
port.on('message', (value) => {
  if (value !== received++) throw new Error(`message ${value}, not ${received - 1}`);
  if (received === messages) port.emit('all');
});

Atomics.add(words, 1, 1);
while (Atomics.load(words, 0) === 0);
const start = process.hrtime.bigint();
if (side === 'producer') for (let sent = 0; sent < messages; sent++) port.postMessage(sent);
else await once(port, 'all');
parentPort.postMessage(Number(process.hrtime.bigint() - start) / 1e9);
