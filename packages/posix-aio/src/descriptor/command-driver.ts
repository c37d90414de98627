import type { BlockCapabilities, BlockDriver, BlockIo, BlockLimits, DeviceHandle, DeviceSpec } from '@biodone/blockdev';
import { ENOTSUP, SystemError } from '@biodone/uring';
import { COMMAND_BYTES } from './command.js';

/** What the drivers of service threads have in common: each request is a command, and says itself what it is about. */
export abstract class CommandDriver implements BlockDriver {
  abstract readonly name: string;
  abstract readonly capabilities: BlockCapabilities;
  readonly limits: BlockLimits = { blockSizeBytes: COMMAND_BYTES, sizeBytes: COMMAND_BYTES, memoryAlignmentBytes: 8 };

  abstract start(io: BlockIo): void;
  abstract startSync(io: BlockIo): void;

  poll(): number {
    return 0;
  }

  wait(_timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return 0;
  }

  describe(): Record<string, unknown> {
    return {};
  }

  config(): DeviceSpec {
    throw new SystemError(ENOTSUP, 'config', undefined, 'the device stands for descriptors that its commands name');
  }

  handle(): DeviceHandle {
    return { driver: this.name };
  }

  close(): void {
    // The descriptors are held by those who wait for the commands.
  }
}
