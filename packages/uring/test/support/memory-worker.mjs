import { parentPort, workerData } from 'node:worker_threads';
import { IoBuffer } from '@biodone/uring';

const buffer = IoBuffer.attach(workerData);
const bytes = [...buffer.bytes.subarray(100, 103)];
buffer.bytes[0] = 42;
const { id, address, lengthBytes } = buffer;
parentPort.postMessage({ id, address, lengthBytes, bytes, ownId: IoBuffer.allocate(1).id });
