/** A shared WebAssembly.Memory: what modules import that declare it as shared. The types of Node alone have no name for it. */
export interface WebAssemblyMemory {
  /** Never detached: a shared memory does not move. */
  readonly buffer: SharedArrayBuffer;
}

/** What is used of WebAssembly. */
interface WebAssemblyApi {
  readonly Module: new (program: Uint8Array) => object;
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => WebAssemblyMemory;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}

const PAGE_BYTES = 65536;

/** The most pages that a {@link WebAssemblyProgram} may be linked with: what it imports has to say so. */
export const WEB_ASSEMBLY_PAGES_MAX = 65536;

/** Undefined where Node was started without it (`--jitless`). Asked for when it is needed, so that whoever never does never loads it. */
function webAssembly(): WebAssemblyApi | undefined {
  return (globalThis as { WebAssembly?: WebAssemblyApi }).WebAssembly;
}

/** Zeroed memory; null where there is no WebAssembly, or the system does not let the process have so much of its address space. */
export function openWebAssemblyMemory(lengthBytes: number): WebAssemblyMemory | null {
  const api = webAssembly();
  if (api === undefined) return null;
  const pages = Math.ceil(lengthBytes / PAGE_BYTES);
  try {
    return new api.Memory({ initial: pages, maximum: pages, shared: true });
  } catch {
    return null;
  }
}

/** Where a {@link WebAssemblyProgram} can run: an IoBuffer. */
interface ProgramMemory {
  readonly webAssembly: WebAssemblyMemory | null;
  /** What programs have kept here, by their number. */
  readonly programs: unknown[];
}

let programs = 0;

/**
 * A module of WebAssembly that works on the memory of IoBuffers where it is: it is linked once with each, and what comes of that is kept with the
 * memory, so that finding it again takes two loads. It imports one memory, `io.memory`, which it declares as shared, with a maximum of
 * {@link WEB_ASSEMBLY_PAGES_MAX} pages.
 *
 * @internal
 */
export class WebAssemblyProgram<Exports, Kernel> {
  readonly #assemble: () => Uint8Array;
  readonly #wrap: (exports: Exports) => Kernel;
  readonly #number: number;
  /** Undefined before it was needed, null where it cannot be had. */
  #module: object | null | undefined;

  /**
   * @param assemble the module
   * @param wrap makes an object of its exports whose members are found faster than those of the exports themselves, which are a dictionary
   */
  constructor(assemble: () => Uint8Array, wrap: (exports: Exports) => Kernel) {
    this.#assemble = assemble;
    this.#wrap = wrap;
    this.#number = programs;
    programs += 1;
  }

  /** Whether this Node can run it. */
  get isAvailable(): boolean {
    return this.#compiled() !== null;
  }

  /** The program on the memory of a buffer, which begins at 0 there; null where it cannot see that, or cannot run. */
  on(target: ProgramMemory): Kernel | null {
    if (target.webAssembly === null) return null;
    const found = target.programs[this.#number];
    return found === undefined ? this.#link(target) : (found as Kernel | null);
  }

  #link(target: ProgramMemory): Kernel | null {
    const module = this.#compiled();
    const kernel = module === null ? null : this.#instantiate(module, target.webAssembly as WebAssemblyMemory);
    target.programs[this.#number] = kernel;
    return kernel;
  }

  #instantiate(module: object, memory: WebAssemblyMemory): Kernel {
    const { Instance } = webAssembly() as WebAssemblyApi;
    return this.#wrap(new Instance(module, { io: { memory } }).exports as Exports);
  }

  #compiled(): object | null {
    if (this.#module === undefined) this.#module = compile(this.#assemble);
    return this.#module;
  }
}

/** Null where there is no WebAssembly, or none that has all that the module uses, such as vectors. */
function compile(assemble: () => Uint8Array): object | null {
  const api = webAssembly();
  if (api === undefined) return null;
  try {
    return new api.Module(assemble());
  } catch {
    return null;
  }
}
