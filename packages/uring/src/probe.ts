import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { FEATURE_NAMES, IO_URING_OP_SUPPORTED, IORING_REGISTER_PROBE, PROBE_HEADER_BYTES, PROBE_OPERATION_BYTES } from './abi.js';
import { ENOSYS, EPERM } from './errno.js';
import { SystemError } from './errors.js';
import { OPERATION_NAMES } from './opcodes/abi.js';
import { prepareNop } from './opcodes/nop.js';
import { Ring } from './ring.js';
import { RingRequest } from './ring-request.js';

/** What {@link probe} found. */
export interface ProbeResult {
  /** Whether io_uring works here and now, in this process and thread. */
  readonly available: boolean;
  /** Where it does not: the reason and the way out, in words. */
  readonly reason: string | null;
  /** The kernel's release, such as `'6.18.44'`. */
  readonly kernel: string;
  /** IORING_FEAT_ bits of the kernel, 0 where it is not available. */
  readonly features: number;
  /** The names of those bits, such as `'NODROP'`. */
  readonly featureNames: readonly string[];
  /** The operations that the kernel knows, by the names in {@link OPERATION_NAMES}. */
  readonly operations: ReadonlySet<string>;
  /** Whether a ring's memory is ours (Linux 6.5), without which workers cannot have one. */
  readonly ownMemory: boolean;
}

let answer: ProbeResult | undefined;
/** Whether the last try failed for want of something. */
let shortage = false;

/**
 * Whether io_uring can be used in this thread, found out by opening a ring, asking what it can do, and running a request. Asked once a
 * thread, but for a shortage of descriptors or memory: what the kernel forbids, it does not allow later.
 */
export function probe(): ProbeResult {
  if (answer !== undefined) return answer;
  const found = process.platform === 'linux' ? tryRing() : refused(`io_uring is part of Linux, and this is ${process.platform}`);
  // A shortage (of descriptors, of memory) may be over the next time.
  if (!shortage) answer = found;
  return found;
}

function tryRing(): ProbeResult {
  let ring: Ring | undefined;
  shortage = false;
  try {
    ring = new Ring({ sqEntries: 1, cqEntries: 2 });
    runNop(ring);
    const { features, ownMemory } = ring;
    return {
      available: true,
      reason: null,
      kernel: release(),
      features,
      featureNames: FEATURE_NAMES.filter((_, bit) => (features & (1 << bit)) !== 0),
      operations: askOperations(ring),
      ownMemory,
    };
  } catch (error) {
    shortage = error instanceof SystemError && ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EBUSY'].includes(error.code);
    return refused(explain(error));
  } finally {
    ring?.close();
  }
}

/** A filter may let io_uring_setup pass, and nothing else. */
function runNop(ring: Ring): void {
  // Where this is forbidden it throws before anything is prepared: a ring that has something could not be closed.
  ring.wait(1, 0);
  const nop = new Nop();
  prepareNop(nop);
  ring.prepare(nop);
  ring.wait(1, 1000);
  ring.reap(1);
  if (nop.result !== 0) throw new Error(`io_uring is there, but a request without work came to ${nop.result}`);
}

class Nop extends RingRequest {
  result: number | null = null;

  override complete(result: number): void {
    this.result = result;
  }
}

/** The operations, by IORING_REGISTER_PROBE (Linux 5.6); none are known of a kernel that does not answer. */
function askOperations(ring: Ring): ReadonlySet<string> {
  const count = 256;
  const table = new Uint8Array(PROBE_HEADER_BYTES + count * PROBE_OPERATION_BYTES);
  const result = ring.register(IORING_REGISTER_PROBE, table, count);
  // A filter may let the other calls pass; a kernel that is too old answers EINVAL.
  if (result === -EPERM || result === -ENOSYS) throw new SystemError(-result, 'io_uring_register');
  if (result < 0) return new Set();
  const isSupported = (opcode: number): boolean => {
    // op, resv, flags (16 bits), resv2.
    const flags = table[PROBE_HEADER_BYTES + opcode * PROBE_OPERATION_BYTES + 2] as number;
    return (flags & IO_URING_OP_SUPPORTED) !== 0;
  };
  return new Set(OPERATION_NAMES.filter((_, opcode) => isSupported(opcode)));
}

function refused(reason: string): ProbeResult {
  return {
    available: false,
    reason,
    kernel: release(),
    features: 0,
    featureNames: [],
    operations: new Set(),
    ownMemory: false,
  };
}

function explain(error: unknown): string {
  if (!(error instanceof SystemError)) return String(error);
  const setting = readSetting('/proc/sys/kernel/io_uring_disabled');
  if (error.code === 'EPERM' && setting !== null && setting !== '0') {
    return `kernel.io_uring_disabled=${setting}: the administrator can allow it with sysctl kernel.io_uring_disabled=0`;
  }
  const isCall = error.syscall.startsWith('io_uring_');
  if ((error.code === 'EPERM' || error.code === 'ENOSYS') && isCall) {
    const cause =
      error.code === 'EPERM' ? 'seccomp: EPERM, as in' : `ENOSYS: a kernel before 5.1 (this is ${release()}), or seccomp as in`;
    return `${cause} Docker's default profile: run the container with a profile that allows io_uring_setup, io_uring_enter and io_uring_register`;
  }
  if (error.code === 'ENOMEM') return `${error.message}: raise the limit on locked memory (ulimit -l)`;
  return error.message;
}

function readSetting(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
