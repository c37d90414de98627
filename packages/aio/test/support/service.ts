import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { type AioOp, ServiceThreads, type ServiceThreadsOptions, type SpawnServiceThread } from '@biodone/aio';
import { BLOCK_READ, type BlockDevice, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

/** An operation without a pool. */
export class TestOp extends BlockIo {
  slot = -1;
  completions = 0;
}

/** An operation with these fields; by default a read of 512 bytes. */
export function opOf(fields: Partial<TestOp> = {}): TestOp {
  const op = new TestOp();
  op.operation = BLOCK_READ;
  op.lengthBytes = 512;
  Object.assign(op, fields);
  if (op.buffer === null && op.vector === null && op.operation <= 1) op.buffer = IoBuffer.allocate(op.lengthBytes);
  return op;
}

/** Starts an operation, and promises its end. */
export function run(service: ServiceThreads, op: TestOp): Promise<TestOp> {
  return new Promise((resolve) => {
    op.iodone = () => {
      op.completions += 1;
      resolve(op);
    };
    service.start(op as unknown as AioOp);
  });
}

export function abort(service: ServiceThreads, op: TestOp): string {
  return service.abort(op as unknown as AioOp);
}

/** A service, and all workers that it has started. */
export interface Watched {
  readonly service: ServiceThreads;
  readonly workers: Worker[];
}

/** A service whose threads run a script of `test/support`, or the package's own. */
export function watch(
  device: BlockDevice,
  options: ServiceThreadsOptions & { depth?: number; threads?: number; script?: string; worker?: WorkerOptions } = {},
): Watched {
  const { depth = 64, threads = 1, script, worker, ...rest } = options;
  const workers: Worker[] = [];
  const start = spawnScript(script, worker);
  const spawn: SpawnServiceThread = (data, name) => {
    const started = start(data, name);
    workers.push(started as Worker);
    return started;
  };
  return { service: new ServiceThreads(device, depth, threads, { spawn, ...rest }), workers };
}

/** Starts service threads by a script of `test/support`, or by the package's own. */
export function spawnScript(script?: string, options: WorkerOptions = {}): SpawnServiceThread {
  const url = script === undefined ? new URL('./service-thread.js', entry) : new URL(script, import.meta.url);
  return (workerData, name) => new Worker(url, { ...options, workerData, name });
}

/** Lets the event loop turn until something is so. The test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

export function pathOf(script: string): string {
  return fileURLToPath(new URL(script, import.meta.url));
}

const entry = import.meta.resolve('@biodone/aio');
