/** The part of WebAssembly that we use: the types of Node have none, and those of browsers have much that Node lacks. */
declare namespace WebAssembly {
  /** Compiled code, which threads can share. */
  class Module {
    private constructor();
  }
  class Instance {
    constructor(module: Module, imports: Imports);
  }
  type Imports = Record<string, Record<string, unknown>>;
  function compile(bytes: Uint8Array): Promise<Module>;
}
