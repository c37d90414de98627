// Opens rings whose queues are mapped from the kernel, and says what comes of it.

import { parentPort } from 'node:worker_threads';
import { prepareNop, ThreadRing } from '@biodone/uring';

const answers = [];
for (const unsafeTermination of [false, true]) {
  try {
    const ring = new ThreadRing({ memory: 'mapped', unsafeTermination });
    const result = await ring.run(prepareNop);
    answers.push({ ownMemory: ring.ring.ownMemory, result });
    await ring.close();
  } catch ({ code, syscall, message }) {
    answers.push({ code, syscall, message });
  }
}
parentPort.postMessage(answers);
