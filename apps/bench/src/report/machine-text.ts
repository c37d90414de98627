import type { MachineRecord } from '../results/run-result.js';
import { formatSize } from '../size.js';
import { percent } from './numbers.js';

/** What figures depend on, a line for each part of it. */
export function formatMachine(machine: MachineRecord): string {
  return machineLines(machine)
    .map(([name, text]) => `${name.padEnd(10)}${text}`)
    .join('\n');
}

/** The same as pairs of a name and a text. */
export function machineLines(machine: MachineRecord): (readonly [name: string, text: string])[] {
  const { packages, cpus, memoryBytes, loadAverage, otherCpuShare } = machine;
  const versions = Object.entries(packages).map(([name, version]) => `${name.replace('@biodone/', '')} ${version}`);
  const ioUring = machine.ioUring === 'available' ? 'io_uring available' : `no io_uring (${machine.ioUring})`;
  const load = `load ${loadAverage.toFixed(2)} before, other work ${percent(otherCpuShare)} of the CPU time during the run`;
  return [
    [
      'CPU',
      `${cpus} × ${machine.cpu}, ${machine.architecture}, governor ${machine.governor}, ${formatSize(memoryBytes)} of memory`,
    ],
    ['Kernel', `${machine.kernel}, clock ${machine.clockSource}, ${ioUring}`],
    ['Storage', `${machine.fileSystem}, scheduler ${machine.scheduler}`],
    ['Node', `${machine.node}, libuv ${machine.libuv} with ${machine.threadPoolSize} threads`],
    ['biodone', `bench ${machine.version}, ${versions.join(', ')}`],
    ['Date', `${machine.date}, ${load}`],
  ];
}
