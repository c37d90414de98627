// Attaches to memory that WebAssembly sees, and says what a program of this thread reads at 7; then writes 88 to 8.
import { parentPort, workerData } from 'node:worker_threads';
import { IoBuffer, WebAssemblyProgram } from '@biodone/uring';

const { handle, module } = workerData;
const buffer = IoBuffer.attach(handle);
const program = new WebAssemblyProgram(
  () => module,
  ({ at }) => ({ at }),
);
buffer.bytes[8] = 88;
parentPort.postMessage({ id: buffer.id, seen: program.on(buffer).at(7), hasScratch: buffer.scratch !== null });
