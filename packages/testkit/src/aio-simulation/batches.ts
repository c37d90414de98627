import { type AioLink, LINK_HARD, LINK_NONE, LINK_SOFT } from '@biodone/aio';
import { EAGAIN, EBADF, EINVAL } from '@biodone/uring';
import type { SeededRandom } from '../random.js';
import type { Ledger } from './ledger.js';
import type { Operations } from './operations.js';
import type { SimulatedPool } from './simulated-pool.js';
import type { ChainPlace, Submission } from './submission.js';

/** Submits batches: chains, and operations by themselves, all by one call. */
export class Batches {
  readonly #ledger: Ledger;
  readonly #operations: Operations;

  constructor(ledger: Ledger, operations: Operations) {
    this.#ledger = ledger;
    this.#operations = operations;
  }

  submit(target: SimulatedPool, random: SeededRandom): void {
    if (this.#operations.full) return;
    const groups: Submission[][] = [];
    for (let count = 1 + random.below(3); count > 0; count--) {
      groups.push(random.below(3) === 0 ? [this.#single(target, random)] : this.#chain(target, random));
    }
    const all = groups.flat();
    const only = groups.length === 1 ? this.#answerTo(target, all) : null;
    const verdicts: number[] = random.below(2) === 0 ? [] : (new Int32Array(all.length).fill(-1) as unknown as number[]);
    const taken = this.#ledger.silently(() =>
      target.pool.submitAll(
        all.map(({ op }) => op),
        verdicts,
      ),
    );
    this.#ledger.note('taken', taken, [...verdicts].join());
    if (taken !== [...verdicts].filter((verdict) => verdict === 0).length)
      this.#ledger.fault(`submitAll took ${taken}, and the verdicts are ${[...verdicts].join()}`);
    const answers = groups.map((group) => this.#check(target, group, verdicts, all.indexOf(group[0] as Submission)));
    for (const [index, group] of groups.entries()) this.#settle(target, group, answers[index] as number);
    if (only !== null && !only.includes(answers[0] as number))
      this.#ledger.fault(`submitAll answered ${answers[0]} instead of ${only.join(' or ')}`);
  }

  #single(target: SimulatedPool, random: SeededRandom): Submission {
    const op = this.#operations.take(target, random);
    const submission = this.#operations.draw(target, op, random, { controller: this.#operations.drawController(random) });
    this.#ledger.live.add(submission);
    return submission;
  }

  #chain(target: SimulatedPool, random: SeededRandom): Submission[] {
    const members: Submission[] = [];
    let step: Submission | null = null;
    for (let left = 2 + random.below(4); left > 0; left--) {
      const link: AioLink = left === 1 ? LINK_NONE : random.pick([LINK_SOFT, LINK_SOFT, LINK_HARD] as const);
      const isGuard = step !== null && step === members.at(-1) && random.below(5) === 0;
      const place: ChainPlace = { members, previous: step, link, guard: null };
      const op = this.#operations.take(target, random);
      const submission = this.#operations.draw(target, op, random, {
        controller: isGuard ? null : this.#operations.drawController(random),
        chain: { place, covers: isGuard },
      });
      members.push(submission);
      this.#ledger.live.add(submission);
      if (!isGuard) step = submission;
      else if (step?.chain != null) step.chain.guard = submission;
    }
    return members;
  }

  #settle(target: SimulatedPool, group: readonly Submission[], answer: number): void {
    if (answer === EAGAIN && group.length > 1) target.refused += 1;
    for (const submission of group) this.#operations.accept(target, submission, answer);
  }

  /** All of a chain is taken, or nothing. Returns the answer. */
  #check(target: SimulatedPool, group: readonly Submission[], verdicts: readonly number[], at: number): number {
    const [answer = -1, ...others] = group.map((_, index) => verdicts[at + index] as number);
    if (others.some((other) => other !== answer)) this.#ledger.fault(`a chain was answered ${answer},${others.join()}`);
    if (![0, EAGAIN, EBADF, EINVAL].includes(answer)) this.#ledger.fault(`submitAll answered ${answer}`);
    if ((answer === EBADF) !== target.pool.closed) this.#ledger.fault(`submitAll answered ${answer}`);
    if (answer === EAGAIN && this.#mayHaveRoom(target, group)) this.#ledger.fault('submitAll answered EAGAIN, and there is room');
    return answer;
  }

  /** Whether there is room after the call for what had none in it. Meanwhile there can only have come more, and nothing has been given back. */
  #mayHaveRoom(target: SimulatedPool, group: readonly Submission[]): boolean {
    const bytes = group.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    const isFree = group.every(({ key }) => key === null) || target.pools.length === 1;
    // The room that is free is kept for who waits for it.
    return isFree && target.waiters.length === 0 && target.hasRoom(bytes, group.length);
  }

  /** What a batch of one chain, or one operation, may be answered with. */
  #answerTo(target: SimulatedPool, group: readonly Submission[]): readonly number[] {
    if (target.pool.closed) return [EBADF];
    const bytes = group.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    const isLong = group.length > target.depth;
    if (target.pools.length === 1 || group.every(({ key }) => key === null))
      return isLong && group.length > 1 ? [EINVAL] : target.answersTo(bytes, group.length);
    const homes = new Set(group.flatMap(({ key }) => (key === null ? [] : this.#ledger.homesOf(key, group))));
    if (homes.size > 1 && group.length > 1) return [EINVAL];
    // Where the keys belong while nothing is under way with them nobody can see, and how deep that pool is.
    return [0, EAGAIN, EINVAL];
  }
}
