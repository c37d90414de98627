import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { ServiceThreadData } from './threads/thread-data.js';
import { ThreadServer } from './threads/thread-server.js';

// A service thread: see threads/thread-server.ts.
await new ThreadServer(workerData as ServiceThreadData, parentPort as MessagePort).run();
