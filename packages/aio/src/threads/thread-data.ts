import type { DeviceHandle } from '@biodone/blockdev';
import type { IoBufferHandle } from '@biodone/uring';
import type { ServiceMemoryHandle } from '../service-memory.js';

/** A vector on its way to a thread: its parts lie in buffers that the thread has. */
export interface VectorHandle {
  readonly vector: number;
  readonly segments: readonly { readonly buffer: number; readonly memoryOffset: number; readonly lengthBytes: number }[];
}

/** What the pool tells its threads about memory, in the order in which it matters. */
export type ServiceMessage =
  | { readonly buffer: IoBufferHandle }
  | VectorHandle
  | { readonly forget: number }
  | { readonly forgetVector: number };

/** What a service thread is started with. */
export interface ServiceThreadData {
  readonly memory: ServiceMemoryHandle;
  readonly index: number;
  readonly device: DeviceHandle;
  /** What the thread imports first, by URL. */
  readonly modules: readonly string[];
  /** What the thread is woken by while it blocks in the kernel; -1 where there is no io_uring. */
  readonly eventFd: number;
  /** What wakes the pool's thread; -1 where that is done by Atomics.notify. */
  readonly ownerFd: number;
  /** The CPU to run on; -1 for any. */
  readonly cpu: number;
  readonly idleMs: number;
  readonly threadsMin: number;
  /** What earlier threads have been told about memory, and how many messages that were. */
  readonly known: readonly ServiceMessage[];
  readonly messages: number;
}
