import { AioOp, ServiceThreads } from '@biodone/aio';
import {
  type AbortVerdict,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BlockDevice,
  type BlockIo,
  biodone,
} from '@biodone/blockdev';
import { IoBuffer, openOwnedEventFd, RWF_DSYNC, wakeRing } from '@biodone/uring';
import {
  ADDRESS,
  COMMAND_BYTES,
  COMMAND_FDATASYNC,
  COMMAND_FSYNC,
  COMMAND_READ,
  COMMAND_READV,
  COMMAND_WRITE,
  COMMAND_WRITEV,
  DESCRIPTOR,
  FLAGS,
  LENGTH,
  MOVED,
  OFFSET,
  OPCODE,
  RESULT,
  STREAM_WHOLE,
} from './command.js';
import { numbersOf } from './command-numbers.js';
import type { DescriptorEngine } from './descriptor-engine.js';
import { type DescriptorOp, letGo, markFailed } from './descriptor-op.js';
import { FileCommands } from './file-commands.js';
import { StreamCommands } from './stream-commands.js';

/** As many as AIO_MAX can be. */
const DEPTH = 65536;
/** A thread blocks as long as its file's I/O takes, so there are more than CPUs; they are started on need. */
const FILE_THREADS = 8;
/** Commands whose memory is made together. */
const SLAB = 64;

/**
 * Requests on descriptors by service threads, where there is no io_uring: for files they block in pread(2) and its like, and one thread of its own polls
 * all streams. All operations hold their files by descriptors of their own, since a thread looks at the number later.
 */
export class ThreadEngine implements DescriptorEngine {
  readonly name = 'threads';
  readonly inFlightMax: number;
  readonly holdsAll = true;
  readonly #service: ServiceThreads;
  /** By which the thread of streams hears of new ones; -1 for files. */
  readonly #eventFd: number;
  readonly #free: Command[] = [];
  #gathering = false;

  constructor(isStream: boolean) {
    this.#eventFd = isStream ? openOwnedEventFd() : -1;
    // What waits in the pools is ordered by priority, and a little more than the threads can do is with them.
    this.inFlightMax = isStream ? DEPTH : FILE_THREADS * 2;
    const device = new BlockDevice(isStream ? new StreamCommands(this.#eventFd) : new FileCommands());
    const modules = [new URL('./service-drivers.js', import.meta.url).href];
    this.#service = new ServiceThreads(device, DEPTH, isStream ? 1 : FILE_THREADS, { modules, bind: false });
  }

  start(op: DescriptorOp): void {
    const command = this.#free.pop() ?? this.#make();
    op.begun = true;
    op.engineRequest = command;
    command.describe(op);
    this.#service.start(command);
    this.#tell();
  }

  abort(op: DescriptorOp): AbortVerdict {
    const verdict = this.#service.abort(op.engineRequest as Command);
    this.#tell();
    return verdict;
  }

  poll(): number {
    return this.#service.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#service.wait(timeoutMs);
  }

  beforeSleep(vain: number): number {
    return this.#service.beforeSleep(vain);
  }

  gather(): void {
    this.#gathering = true;
  }

  release(): void {
    this.#gathering = false;
    this.#service.flush();
    this.#tell();
  }

  /** Hands over at once, not at the end of the turn, which a thread that blocks or exits never comes to. That of streams sleeps in poll(2) besides. */
  #tell(): void {
    if (this.#gathering) return;
    this.#service.flush();
    if (this.#eventFd >= 0) wakeRing(this.#eventFd);
  }

  #make(): Command {
    const slab = IoBuffer.allocate(SLAB * COMMAND_BYTES, 64);
    for (let index = 0; index < SLAB; index++) this.#free.push(new Command(slab, index * COMMAND_BYTES, this.#done));
    return this.#free.pop() as Command;
  }

  readonly #done = (io: BlockIo): void => {
    const command = io as Command;
    const op = command.target as DescriptorOp;
    command.target = null;
    const result = numbersOf(command)[command.bufferOffset / 8 + RESULT] as number;
    this.#free.push(command);
    op.engineRequest = null;
    if (result < 0 && op.operation === BLOCK_FLUSH) markFailed(op);
    letGo(op);
    if (command.error === 0 && result > 0) op.transferredBytes = result;
    biodone(op, command.error !== 0 ? command.error : result < 0 ? -result : 0);
  };
}

/** An operation of the service, whose data says what is to be done on which descriptor. */
class Command extends AioOp {
  constructor(slab: IoBuffer, offset: number, done: (io: BlockIo) => void) {
    super();
    this.operation = BLOCK_WRITE;
    this.buffer = slab;
    this.bufferOffset = offset;
    this.lengthBytes = COMMAND_BYTES;
    this.iodone = done;
  }

  describe(op: DescriptorOp): void {
    const numbers = numbersOf(this);
    const at = this.bufferOffset / 8;
    const { vector } = op;
    this.target = op;
    numbers[at + OPCODE] = opcodeOf(op);
    numbers[at + DESCRIPTOR] = op.held?.fd ?? -1;
    numbers[at + ADDRESS] = vector !== null ? vector.address : (op.buffer?.address ?? 0) + op.bufferOffset;
    numbers[at + LENGTH] = vector !== null ? vector.count : op.lengthBytes;
    numbers[at + OFFSET] = op.offset;
    numbers[at + FLAGS] = op.isStream ? (op.isWhole ? STREAM_WHOLE : 0) : (op.flags & BLOCK_FUA) === 0 ? 0 : RWF_DSYNC;
    numbers[at + RESULT] = 0;
    numbers[at + MOVED] = 0;
  }
}

function opcodeOf({ operation, vector, dataOnly }: DescriptorOp): number {
  if (operation === BLOCK_FLUSH) return dataOnly ? COMMAND_FDATASYNC : COMMAND_FSYNC;
  if (operation === BLOCK_READ) return vector === null ? COMMAND_READ : COMMAND_READV;
  return vector === null ? COMMAND_WRITE : COMMAND_WRITEV;
}
