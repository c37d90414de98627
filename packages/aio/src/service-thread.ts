import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { attachDevice, type BlockDevice, BlockIo, type BlockOperation, type DeviceHandle } from '@biodone/blockdev';
import { IoBuffer, probe, RingWaker, threadRing } from '@biodone/uring';
import {
  CLOSED,
  COMPLETION_TAIL,
  DEAD,
  EXITING,
  MESSAGES,
  OWNER_SLEEPS,
  ServiceMemory,
  type ServiceThreadData,
  SLOT_BUFFER,
  SLOT_BUFFER_OFFSET,
  SLOT_ERROR,
  SLOT_FIELDS,
  SLOT_LENGTH,
  SLOT_OFFSET,
  SLOT_OPERATION,
  SLOT_THREAD,
  SLOT_TRANSFERRED,
  STARTED,
} from './service-memory.js';
import type { ServiceMessage } from './service-threads.js';

/**
 * A service thread: takes operations from the pool's submission queue, starts them on its own channel of the device, and puts them on the
 * completion queue. It serves many at once. Idle, it sleeps on the pool's `pending` condition.
 */

/** Operations that a thread takes at a time, so that the others get their share. */
const BATCH_MAX = 64;

class ServiceIo extends BlockIo {
  slot = -1;
}

const data = workerData as ServiceThreadData;
const memory = new ServiceMemory(data);
const { lock, pending, words, slots } = memory;
let finished = false;
// An owner that blocks must hear of a thread that ends with an exception: the worker's own 'exit' event needs the owner's event loop.
process.once('exit', () => {
  if (finished) return;
  Atomics.add(words, DEAD, 1);
  Atomics.notify(words, COMPLETION_TAIL);
});
// A thread that blocks in the kernel needs no event loop to hear of completions.
const ring = data.eventFd >= 0 && probe().available ? threadRing({ eventLoop: false }) : null;
const waker = ring === null ? null : new RingWaker(ring, data.eventFd);
const device: BlockDevice = attachDevice(data.device as DeviceHandle);
const blocking = device.capabilities.progress === 'event-loop';
const buffers = new Map<number, IoBuffer>();
const free: ServiceIo[] = [];
const taken: number[] = [];
const completed: number[] = [];
let inFlight = 0;
let messages = 0;

// Pairs with the wait in tellAllClosed().
Atomics.add(words, STARTED, 1);
Atomics.notify(words, STARTED);

serve();
finished = true;
if (words[CLOSED] !== EXITING) {
  waker?.close();
  ring?.closeSync();
}

function serve(): void {
  while (take()) {
    if (taken.length === 0) {
      // Until an operation completes, or the pool wakes this thread for more.
      device.wait(Number.POSITIVE_INFINITY);
    } else {
      receiveBuffers();
      for (const slot of taken) start(slot);
      taken.length = 0;
      device.poll();
    }
    complete();
  }
}

/**
 * Takes operations; sleeps if there are none and none are under way. With some under way and none to take, it says that this thread is
 * about to block in the kernel. Returns false when the pool is closed and nothing is left to do.
 */
function take(): boolean {
  waker?.arm();
  lock.enter();
  memory.takeWaker(data.index);
  while (memory.submissions === 0 && inFlight === 0 && words[CLOSED] === 0) pending.wait(lock);
  const waiting = memory.submissions;
  const share = Math.min(BATCH_MAX, Math.ceil(waiting / data.threads));
  for (let count = 0; count < share; count++) {
    const slot = memory.takeSubmission();
    slots[slot * SLOT_FIELDS + SLOT_THREAD] = data.index + 1;
    taken.push(slot);
  }
  if (waiting === 0 && waker !== null) memory.blocksInKernel(data.index, waker.eventFd);
  const open = words[CLOSED] === 0 || (words[CLOSED] !== EXITING && (waiting > 0 || inFlight > 0));
  lock.exit();
  return open;
}

function start(slot: number): void {
  const base = slot * SLOT_FIELDS;
  const io = free.pop() ?? new ServiceIo();
  io.slot = slot;
  io.operation = slots[base + SLOT_OPERATION] as BlockOperation;
  io.offset = slots[base + SLOT_OFFSET] as number;
  io.lengthBytes = slots[base + SLOT_LENGTH] as number;
  io.buffer = buffers.get(slots[base + SLOT_BUFFER] as number) ?? null;
  io.bufferOffset = slots[base + SLOT_BUFFER_OFFSET] as number;
  inFlight += 1;
  if (blocking) {
    device.strategySync(io);
    iodone(io);
  } else {
    io.iodone = iodone;
    device.strategy(io);
  }
}

function iodone(io: BlockIo): void {
  const { slot } = io as ServiceIo;
  const base = slot * SLOT_FIELDS;
  slots[base + SLOT_ERROR] = io.error;
  slots[base + SLOT_TRANSFERRED] = io.transferredBytes;
  io.buffer = null;
  inFlight -= 1;
  free.push(io as ServiceIo);
  completed.push(slot);
}

function complete(): void {
  if (completed.length === 0) return;
  lock.enter();
  for (const slot of completed) memory.pushCompletion(slot);
  lock.exit();
  completed.length = 0;
  notifyOwner();
}

function notifyOwner(): void {
  // Pairs with the store in ServiceThreads: the completion tail was stored before, so either the owner sees it, or this sees the flag.
  // Only the owner clears the flag: a notify that comes before it sleeps must not use up the next one.
  if (Atomics.load(words, OWNER_SLEEPS) === 1) Atomics.notify(words, COMPLETION_TAIL);
}

/** The event loop never runs here, so messages are fetched. */
function receiveBuffers(): void {
  // Pairs with the add in ServiceThreads, which comes after the message was posted.
  const sent = Atomics.load(words, MESSAGES);
  while (messages !== sent && parentPort !== null) {
    const received = receiveMessageOnPort(parentPort);
    if (received === undefined) break;
    messages = (messages + 1) | 0;
    const message = received.message as ServiceMessage;
    if ('forget' in message) buffers.delete(message.forget);
    else buffers.set(message.buffer.id, IoBuffer.attach(message.buffer));
  }
}
