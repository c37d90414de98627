import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { Unavailable } from './io-engines/io-engine.js';
import { JobRecorder } from './results/job-recorder.js';
import { JobControl } from './run/job-control.js';
import { JobRun } from './run/job-run.js';
import type { ThreadData, ThreadMessage, ThreadOrder } from './run/thread-messages.js';
import { UsageError } from './usage-error.js';

/**
 * The program of a job's thread: opens everything, says that it is ready, runs when it is told to, and says what became of it. Each job has a
 * thread of its own, so that jobs run side by side and the run's thread can show progress and hear signals whatever an engine blocks.
 */
const port = parentPort;
if (port !== null) {
  const tell = (message: ThreadMessage): void => port.postMessage(message);
  try {
    await work(workerData as ThreadData, tell, async () => {
      const [order] = (await once(port, 'message')) as [ThreadOrder];
      return order;
    });
  } catch (error) {
    const isRefusal = error instanceof UsageError || error instanceof Unavailable || isOfOpening(error);
    tell({ kind: isRefusal ? 'refused' : 'failed', text: (error as Error).message });
  }
}

async function work(
  data: ThreadData,
  tell: (message: ThreadMessage) => void,
  nextOrder: () => Promise<ThreadOrder>,
): Promise<void> {
  const control = new JobControl(data.controlMemory);
  const run = await JobRun.open(data.plan, new JobRecorder(data.recorderMemory), control).catch((error: Error) => {
    throw Object.assign(error, { isOfOpening: true });
  });
  try {
    tell({ kind: 'ready' });
    if ((await nextOrder()) === 'leave') return;
    tell({ kind: 'done', outcome: await run.run() });
  } finally {
    await run.close();
  }
}

/** What cannot be opened was asked for wrongly: no permission, no such device, a stack that is none. */
function isOfOpening(error: unknown): boolean {
  return (error as { isOfOpening?: boolean }).isOfOpening === true;
}
