import { type ReadableByteStreamController, ReadableStream } from 'node:stream/web';
import { invalidState, invalidType } from './file-errors.js';
import type { StreamedFile } from './file-streams.js';
import type { OpenFile } from './open-file.js';
import { read } from './transfers.js';

/** Options of `AioFile.readableWebStream`. */
export interface WebStreamOptions {
  /** There are streams of bytes only, whatever it says. */
  type?: 'bytes' | undefined;
  /** Whether the file is closed with the stream. @default false */
  autoClose?: boolean | undefined;
}

/** How much is read for a reader that does not bring its own memory. */
const CHUNK_BYTES = 16384;

/** FileHandle's readableWebStream, as it is since Node 24: bytes from the file's own position on. */
export function webStreamOf(file: StreamedFile, open: OpenFile, options: WebStreamOptions = {}): ReadableStream {
  const { type, autoClose = false } = options;
  if (type !== undefined && typeof type !== 'string') throw invalidType('options.type', 'of type string', type);
  if (typeof autoClose !== 'boolean') throw invalidType('options.autoClose', 'of type boolean', autoClose);
  return new ReadableStream({
    type: 'bytes',
    autoAllocateChunkSize: CHUNK_BYTES,
    ...new ByteSource(file, open, autoClose).calls,
  });
}

/** What a stream of bytes reads from. It keeps the file open until it has ended. */
class ByteSource {
  readonly #file: StreamedFile;
  readonly #open: OpenFile;
  readonly #autoClose: boolean;
  #controller: ReadableByteStreamController | null = null;
  #hasEnded = false;

  constructor(file: StreamedFile, open: OpenFile, autoClose: boolean) {
    this.#file = file;
    this.#open = open;
    this.#autoClose = autoClose;
    open.hold();
    file.on('close', this.#onClose);
  }

  /** What ReadableStream is made with. */
  get calls(): object {
    return {
      start: (controller: ReadableByteStreamController) => {
        this.#controller = controller;
      },
      pull: (controller: ReadableByteStreamController) => this.#pull(controller),
      cancel: () => this.#end(),
    };
  }

  async #pull(controller: ReadableByteStreamController): Promise<void> {
    const view = controller.byobRequest?.view as Uint8Array;
    let bytesRead = 0;
    try {
      ({ bytesRead = 0 } = await read(this.#open, view, 0, view.byteLength, null));
    } catch (error) {
      await this.#end();
      throw error;
    }
    // The file was closed meanwhile, and the stream with it.
    if (this.#hasEnded) return;
    if (bytesRead === 0) {
      controller.close();
      controller.byobRequest?.respond(0);
      await this.#end();
    } else {
      controller.byobRequest?.respond(bytesRead);
    }
  }

  readonly #onClose = (): void => {
    if (this.#hasEnded) return;
    this.#controller?.close();
    this.#controller?.byobRequest?.respond(0);
    void this.#end();
  };

  async #end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#file.off('close', this.#onClose);
    this.#open.release();
    if (this.#autoClose) await this.#file.close();
  }
}

/** @throws Error ERR_INVALID_STATE for a file that no web stream can be made of (any more) */
export function checkStreamable(open: OpenFile, isLocked: boolean): void {
  if (open.closing) throw invalidState(open.fd === -1 ? 'The AioFile is closed' : 'The AioFile is closing');
  if (isLocked) throw invalidState('The AioFile is locked: it has a web stream already');
}
