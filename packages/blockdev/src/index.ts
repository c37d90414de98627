/**
 * Block devices that are asynchronous from the bottom: `strategy(io)` starts a request, `biodone(io)` says that it is done.
 *
 * {@link BlockIo} is the request, {@link BlockDevice} the device with the generic layer, {@link BlockDriver} what a driver writes;
 * {@link openNull}, {@link openMem} and {@link openFile} open the drivers that exist.
 *
 * @packageDocumentation
 */

export { attachDevice } from './attach.js';
export { biodone, biowait } from './biodone.js';
export { BlockDevice } from './block-device.js';
export {
  BLOCK_FLUSH,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_WRITE,
  BlockIo,
  type BlockIoOwner,
  type BlockIoState,
  type BlockOperation,
  IO_DONE,
  IO_IDLE,
  IO_STARTED,
} from './block-io.js';
export type { BlockDriver, DeviceHandle } from './driver.js';
export { type FileEngineName, type FileOptions, openFile, wrapDescriptor } from './drivers/file.js';
export { openMem } from './drivers/mem.js';
export { openNull } from './drivers/null.js';
export type { BlockCapabilities, BlockLimits } from './limits.js';
