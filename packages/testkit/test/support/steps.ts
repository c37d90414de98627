import { type ManualDevice, turn } from '@biodone/testkit';

/** What takes more turns than this does not end. */
const TURNS_MAX = 100_000;

/** Does a step in each turn of the event loop, until it is over. */
export async function stepUntil(isOver: () => boolean, step: () => void): Promise<void> {
  for (let turns = 0; !isOver(); turns++) {
    if (turns > TURNS_MAX) throw new Error(`no progress in ${TURNS_MAX} turns of the event loop`);
    step();
    await turn();
  }
}

/** Does a step in each turn of the event loop until a promise is settled, and is settled as that is. */
export async function untilSettled<T>(promise: Promise<T>, step: () => void): Promise<T> {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  promise.then(end, end);
  await stepUntil(() => ended, step);
  return promise;
}

/** Lets everything below be done until a promise is settled. */
export function pump<T>(media: readonly ManualDevice[], promise: Promise<T>): Promise<T> {
  return untilSettled(promise, () => {
    for (const medium of media) medium.completeAll();
  });
}
