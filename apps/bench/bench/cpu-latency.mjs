// Keeps the CPUs from sleeping while something is measured, as tuned-adm's latency profiles do: whoever holds /dev/cpu_dma_latency open with a 0 has
// idle CPUs poll (Documentation/power/pm_qos_interface.rst of the kernel). It needs root.
import { closeSync, openSync, writeSync } from 'node:fs';

const DEVICE = '/dev/cpu_dma_latency';

/** Returns what ends it, or null where it is not to be had. */
export function keepCpusAwake() {
  let descriptor;
  try {
    descriptor = openSync(DEVICE, 'w');
    writeSync(descriptor, new Uint8Array(4));
  } catch {
    if (descriptor !== undefined) closeSync(descriptor);
    return null;
  }
  return () => closeSync(descriptor);
}
