import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { ServiceThreadData } from './threads/thread-data.js';
import { noteError, noteTask } from './threads/thread-facts.js';
import { ThreadServer } from './threads/thread-server.js';

// A service thread: see threads/thread-server.ts.
const data = workerData as ServiceThreadData;
try {
  noteTask(data);
  for (const url of data.modules) await import(url);
  await new ThreadServer(data, parentPort as MessagePort).run();
} catch (error) {
  noteError(data, error);
  throw error;
}
