import { balanced } from './balancing.mjs';

/** The ways to balance, of which the first is what the others are measured beside. */
export const WAYS = [
  { id: 'round_robin', options: { balance: 'round-robin', steal: false } },
  { id: 'round_robin_steal', options: { balance: 'round-robin', steal: true } },
  { id: 'two_choices', options: { balance: 'two-choices', steal: false } },
  { id: 'two_choices_steal', options: { balance: 'two-choices', steal: true } },
  { id: 'least_loaded', options: { balance: 'least-loaded', steal: false } },
  { id: 'least_loaded_steal', options: { balance: 'least-loaded', steal: true } },
];

/** The paths and figures of some of these ways, for a benchmark that runs others too. */
export function classPaths(...ids) {
  const ways = WAYS.filter(({ id }) => id === 'round_robin' || ids.includes(id));
  return ways.map(({ id, options }) => ({
    id: `class_${id}`,
    run: async (load) => {
      const { perSecond, p99Us } = await balanced(options, load);
      return { iops: perSecond, p99: p99Us };
    },
  }));
}

/** Of each of these ways, throughput and p99 beside round robin. */
export function classFigures(...ids) {
  return ids.flatMap((id) => [
    {
      id: `class_${id}_over_round_robin`,
      from: [`class_${id}`, 'class_round_robin'],
      of: (ours, other) => ours.iops / other.iops,
    },
    {
      id: `class_${id}_p99_over_round_robin`,
      from: [`class_${id}`, 'class_round_robin'],
      of: (ours, other) => ours.p99 / other.p99,
    },
  ]);
}
