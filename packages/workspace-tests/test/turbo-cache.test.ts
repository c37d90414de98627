import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runNode } from './support/run.js';
import { publishedPackages, root } from './support/workspace.js';

interface DryRun {
  readonly tasks: readonly { taskId: string; cache: { status: string } }[];
}

// The plan is asked for and not carried out: a real second build would rewrite files that the other tests are
// using, should it be no hit.
it('a second build would do nothing: every task of it is in the cache', async () => {
  const outcome = await runNode([join(root, 'scripts/turbo.mjs'), 'run', 'build', '--dry=json'], root);
  expect(outcome).toMatchObject({ status: 0 });
  const { tasks } = JSON.parse(outcome.stdout) as DryRun;
  const statuses = Object.fromEntries(tasks.map(({ taskId, cache }) => [taskId, cache.status]));
  for (const { name } of publishedPackages) {
    expect(statuses, `turbo's plan for ${name}`).toHaveProperty([`${name}#build`], 'HIT');
  }
}, 60_000);
