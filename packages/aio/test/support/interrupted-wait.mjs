// A wait for service threads is ended by a signal.
import { spawn } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { AioOp, ServiceThreads } from '@biodone/aio';
import { IoBuffer } from '@biodone/uring';
import { GATE, openGate } from './gate-driver.mjs';

process.on('SIGUSR1', () => {});
const { device, words } = openGate();
const spawnGate = (workerData, name) => new Worker(new URL('./gate-worker.mjs', import.meta.url), { workerData, name });
const service = new ServiceThreads(device, 4, 1, { spawn: spawnGate });
const op = new AioOp(null, 0);
Object.assign(op, { buffer: IoBuffer.allocate(512), lengthBytes: 512, offset: GATE });
let error = -1;
op.iodone = () => {
  error = op.error;
};
service.start(op);
// Until it blocks there: then nothing but a signal can end a wait.
while (Atomics.load(words, 1) === 0) service.wait(10);
console.log('before', service.wait(5));
const killer = spawn('sh', ['-c', `while kill -USR1 ${process.pid}; do sleep 0.01; done`], { stdio: 'ignore' });
console.log('interrupted', service.wait(Number.POSITIVE_INFINITY));
killer.kill();
Atomics.store(words, 0, 1);
Atomics.notify(words, 0);
while (error === -1) service.wait(Number.POSITIVE_INFINITY);
console.log('error', error);
await service.close();
await device.close();
