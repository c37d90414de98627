import { JobRecorder } from '../../src/results/job-recorder.js';
import type { JobResult, JobShape } from '../../src/results/job-result.js';
import type { MachineRecord, RunResult } from '../../src/results/run-result.js';
import { SampleSeries } from '../../src/results/sample-series.js';
import { DEFAULT_PERCENTILES } from '../../src/trust/percentiles.js';

const SHAPE: JobShape = {
  rw: 'randrw',
  bs: '4k',
  ioengine: 'uring',
  iodepth: 8,
  isQueued: true,
  batchSubmit: 1,
  batchComplete: 1,
  numjobs: 1,
  direct: true,
  filename: '/data/testfile',
};

export const MACHINE: MachineRecord = {
  program: '@biodone/bench',
  version: '1.2.3',
  packages: { '@biodone/aio': '1.2.3' },
  date: '2026-01-02T03:04:05.678Z',
  cpu: 'Some CPU',
  cpus: 2,
  memoryBytes: 2 ** 33,
  kernel: 'Linux 6.18.0',
  architecture: 'x64',
  governor: 'performance',
  clockSource: 'tsc',
  node: 'v20.19.0',
  libuv: '1.46.0',
  threadPoolSize: 4,
  ioUring: 'available',
  fileSystem: 'ext4 (/dev/vda)',
  scheduler: 'none',
  loadAverage: 0.1,
  otherCpuShare: 0.02,
};

/** A recorder of a second in which 20,000 reads took from 80 to 180 µs, 10,000 writes up to twice that, and 100 fsyncs 1 ms. */
export function someRecorder(): JobRecorder {
  const recorder = new JobRecorder();
  for (let index = 0; index < 20_000; index++) {
    recorder.read.complete(4096, 2000 + (index % 100), 78_000 + (index % 1000) * 100);
    recorder.depth.record(8);
    recorder.submitted.record(1);
    recorder.completed.record(1 + (index % 4));
    if (index % 2 === 0) recorder.write.complete(4096, 3000, 100_000 + (index % 1000) * 250);
    if (index % 200 === 0) recorder.sync.record(1_000_000 + index);
  }
  recorder.read.setRuntime(1000);
  recorder.write.setRuntime(1000);
  return recorder;
}

/** A job that has everything, but for what is given. */
export function someJob(change: Partial<JobResult> = {}, recorder: JobRecorder = someRecorder()): JobResult {
  return {
    name: 'example',
    groupId: 0,
    error: 0,
    errorText: null,
    failedIos: 0,
    shape: SHAPE,
    options: { name: 'example', filename: '/data/testfile', rw: 'randrw', bs: '4k', direct: '1', fsync: '200' },
    startedAtMs: 1_767_323_045_678,
    elapsedMs: 1300,
    runtimeMs: 1000,
    etaSeconds: 0,
    recorded: recorder.toData(),
    percentiles: { list: DEFAULT_PERCENTILES, json: ['slat', 'clat', 'lat'], normal: ['lat'], terse: 'clat' },
    samples: someSamples(),
    use: {
      wallMs: 1000,
      userMicros: 240_000,
      systemMicros: 360_000,
      contextSwitches: 1234,
      majorFaults: 0,
      minorFaults: 56,
      threads: [
        { name: 'node', threadId: 100, cpuMicros: 500_000 },
        { name: 'iou-wrk-100', threadId: 101, cpuMicros: 90_000 },
      ],
    },
    loop: { gcCount: 3, gcMs: 4.5, gcMaxMs: 2, delayP50Ms: 0.1, delayP99Ms: 1.2, delayMaxMs: 3.4 },
    steadyState: null,
    latencySearch: null,
    warnings: [],
    ...change,
  };
}

/** A run of one job, but for what is given. */
export function someRun(change: Partial<RunResult> = {}): RunResult {
  return {
    outcome: 'complete',
    startedAtMs: 1_767_323_045_678,
    writtenAtMs: 1_767_323_047_123,
    globalOptions: { ioengine: 'uring', iodepth: '8' },
    machine: MACHINE,
    calibrations: [
      { depth: 8, isQueued: true, batchSubmit: 1, batchComplete: 1, nullIops: 3_000_000, nsPerIo: 333, clockNs: 40 },
    ],
    jobs: [someJob()],
    disks: [
      {
        name: 'vda',
        readIos: 20_000,
        writeIos: 10_000,
        readMerges: 1,
        writeMerges: 2,
        readMs: 900,
        writeMs: 800,
        queueMs: 1700,
        utilPercent: 87.5,
      },
    ],
    ...change,
  };
}

function someSamples() {
  const recorder = new JobRecorder();
  const series = new SampleSeries(recorder);
  for (let index = 0; index < 4; index++) {
    for (let count = 0; count < 4800 + 100 * index; count++) recorder.read.complete(4096, 1, 1);
    for (let count = 0; count < 2500; count++) recorder.write.complete(4096, 1, 1);
    series.take(250 * (index + 1));
  }
  return series.toData();
}
