import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';

/** What a worker says next; its error is thrown. */
export async function answerOf(worker: Worker): Promise<unknown> {
  const [answer] = await once(worker, 'message');
  return answer;
}
