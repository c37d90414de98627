// How much CPU time service threads take while there is nothing to do, and how often they are woken:
//
//   node bench/idle.mjs [SECONDS]
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ServiceThreads } from '@biodone/aio';
import { BLOCK_FLUSH, BlockIo, openMem } from '@biodone/blockdev';

/** Why it cannot be measured here; null if it can. */
export function reasonAgainstIdle() {
  return process.platform === 'linux' ? null : 'the CPU time of a thread is read from Linux’s /proc';
}

/** Lets threads that have served something be idle. Times are in milliseconds; those of the process are those of all of its threads. */
export async function idle(seconds) {
  const device = openMem(65536);
  const service = new ServiceThreads(device, 64, 2, { idleMs: Number.POSITIVE_INFINITY });
  await Promise.all(Array.from({ length: 64 }, () => flush(service)));
  // Some may be working, or starting.
  while (service.statistics().threads.some(({ state }) => state !== 'idle')) await sleep(10);
  // They say that they sleep a moment before they do.
  await sleep(100);
  const before = look(service);
  const processBefore = process.cpuUsage();
  await sleep(seconds * 1000);
  const { user, system } = process.cpuUsage(processBefore);
  const after = look(service);
  await service.close();
  await device.close();
  return {
    threads: after.threads,
    threadsMs: after.cpuMs - before.cpuMs,
    wakeUps: after.wakeUps - before.wakeUps,
    switches: after.switches - before.switches,
    processMs: (user + system) / 1000,
  };
}

function flush(service) {
  return new Promise((resolve) => {
    const op = Object.assign(new BlockIo(), { operation: BLOCK_FLUSH, iodone: resolve });
    service.start(op);
  });
}

/** What the threads have used so far: schedstat of proc(5) is the time on the CPU in nanoseconds, the time in line for it, and how often. */
function look(service) {
  const sum = { threads: 0, cpuMs: 0, switches: 0, wakeUps: 0 };
  for (const { task, wakeUps } of service.statistics().threads) {
    const [onCpuNs, , times] = readFileSync(`/proc/self/task/${task}/schedstat`, 'utf8').split(' ').map(Number);
    sum.threads += 1;
    sum.cpuMs += onCpuNs / 1e6;
    sum.switches += times;
    sum.wakeUps += wakeUps;
  }
  return sum;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const seconds = Number(process.argv[2] ?? 10);
  const { threads, threadsMs, wakeUps, switches, processMs } = await idle(seconds);
  console.log(`${threads} service threads, idle for ${seconds} s: ${threadsMs.toFixed(3)} ms of CPU time, ${wakeUps} wake-ups,`);
  console.log(`${switches} times on a CPU; the whole process, with the timer that ends this: ${processMs.toFixed(3)} ms`);
}
