import type { Comparison, Side } from '../../src/compare/comparison.js';
import type { Observation } from '../../src/compare/observation.js';
import { LatencyHistogram } from '../../src/results/latency-histogram.js';
import { MACHINE } from './some-run.js';

/** A repeat with this many IOPS, whose 10,000 latencies lie around their reciprocal at depth 32. */
export function someObservation(iops: number): Observation {
  const latencies = new LatencyHistogram();
  for (let index = 0; index < 10_000; index++) latencies.record((32e9 / iops) * (0.8 + (index % 100) / 200));
  return {
    iops,
    bytesPerSecond: iops * 4096,
    p50Ns: latencies.percentile(0.5),
    p99Ns: latencies.percentile(0.99),
    cpuMicrosPerIo: 1e6 / iops,
    latencies: latencies.toData(),
    samples: [],
  };
}

export function someSide(label: string, iopsOfRepeats: readonly number[]): Side {
  return { label, unavailable: null, repeats: iopsOfRepeats.map(someObservation), harnessNs: 300 };
}

/** Two sides that differ, one that does not, and one that is not there. */
export function someComparison(): Comparison {
  const sides = [
    someSide('uring', [800_000, 820_000, 790_000]),
    someSide('fs', [400_000, 420_000, 410_000]),
    someSide('fio:io_uring', [780_000, 850_000, 830_000]),
    { label: 'fio:rbd', unavailable: 'engine rbd not loadable', repeats: [], harnessNs: null },
  ];
  return {
    comparison: 1,
    sections: [{ title: 'rw=randread bs=4k', sides }],
    machine: MACHINE,
    notes: ['A note.'],
  };
}
