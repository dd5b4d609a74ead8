/**
 * Runs @ffmpeg/core, an Emscripten build for a browser's worker, in a worker thread of Node, one request at a time. The clip is read through
 * a file descriptor as FFmpeg asks for it; the output goes piece by piece to the main thread, which limits how far this one runs ahead.
 */
import { fstatSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";

export interface WasmWorkerData {
  /** The path of the core's script. */
  core: string;
  /** The core, compiled. */
  module: WebAssembly.Module;
  /** The path of the clip. */
  file: string;
}
export interface WasmRequest {
  tool: "ffmpeg" | "ffprobe";
  args: string[];
  /** Bytes of each piece of the output. */
  chunkBytes: number;
  /** Pieces that may be on their way; `credit` counts them. */
  ahead: number;
  credit: Int32Array;
}
export type WasmReply =
  | { type: "piece"; piece: Uint8Array }
  | { type: "done"; code: number; text: string; log: string }
  | { type: "failed"; log: string };

interface Core {
  FS: {
    mkdir(path: string): void;
    mount(type: unknown, options: unknown, path: string): void;
    filesystems: { WORKERFS: unknown };
    makedev(major: number, minor: number): number;
    registerDevice(dev: number, operations: object): void;
    mkdev(path: string, dev: number): void;
    readFile(path: string, options: { encoding: "utf8" }): string;
    unlink(path: string): void;
  };
  exec(...args: string[]): number;
  ffprobe(...args: string[]): number;
  reset(): void;
  setLogger(logger: (entry: { type: string; message: string }) => void): void;
}

const { core: script, module, file } = workerData as WasmWorkerData;
const port = parentPort as NonNullable<typeof parentPort>;
let log = "";
let request: WasmRequest | undefined;
let piece = new Uint8Array(0);
let filled = 0;

const ready = load();
port.on("message", async (next: WasmRequest) => {
  try {
    serve(await ready, next);
  } catch (error) {
    port.postMessage({ type: "failed", log: `${log}\n${error}` } satisfies WasmReply);
  }
});

function serve(core: Core, next: WasmRequest): void {
  request = next;
  log = "";
  filled = 0;
  piece = new Uint8Array(next.chunkBytes);
  let text = "";
  let code: number;
  if (next.tool === "ffprobe") {
    core.ffprobe(...next.args, "-o", "/probe", "-i", "/w/in"); // it always returns -1, so the file tells whether it succeeded
    try {
      text = core.FS.readFile("/probe", { encoding: "utf8" });
      core.FS.unlink("/probe");
      code = 0;
    } catch {
      code = 1;
    }
  } else {
    code = core.exec(...next.args);
  }
  core.reset();
  port.postMessage({ type: "done", code, text, log } satisfies WasmReply);
}

/** Loads the core. Emscripten needs the globals of a browser's worker; instantiateWasm keeps it from fetching. */
async function load(): Promise<Core> {
  const scope = globalThis as Record<string, unknown>;
  for (const name of ["fetch", "WebSocket", "XMLHttpRequest", "EventSource"]) delete scope[name];
  scope.self = globalThis;
  scope.location = { href: "file:///" };
  scope.FileReaderSync = class {
    readAsArrayBuffer(part: FilePart): ArrayBuffer {
      return part.read();
    }
  };
  const create = createRequire(import.meta.url)(script) as (options: object) => Promise<Core>;
  const core = await create({
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
      done(new WebAssembly.Instance(module, imports));
      return {};
    },
  });
  core.setLogger(({ message }) => {
    log = `${log}${message}\n`.slice(-8192);
  });
  core.FS.mkdir("/w");
  core.FS.mount(core.FS.filesystems.WORKERFS, { files: [clipFile()] }, "/w");
  const device = core.FS.makedev(64, 7);
  core.FS.registerDevice(device, {
    open(stream: { seekable: boolean }) {
      stream.seekable = false;
    },
    write(_: unknown, buffer: Uint8Array, offset: number, length: number) {
      emit(buffer.subarray(offset, offset + length));
      return length;
    },
  });
  core.FS.mkdev("/dev/out", device);
  return core;
}

function emit(bytes: Uint8Array): void {
  let at = 0;
  while (request && at < bytes.length) {
    const n = Math.min(piece.length - filled, bytes.length - at);
    piece.set(bytes.subarray(at, at + n), filled);
    filled += n;
    at += n;
    if (filled === piece.length) {
      const { credit, ahead } = request;
      for (let waiting = Atomics.load(credit, 0); waiting >= ahead; waiting = Atomics.load(credit, 0))
        Atomics.wait(credit, 0, waiting);
      Atomics.add(credit, 0, 1);
      port.postMessage({ type: "piece", piece } satisfies WasmReply, [piece.buffer]);
      piece = new Uint8Array(request.chunkBytes);
      filled = 0;
    }
  }
}

interface FilePart {
  size: number;
  read(): ArrayBuffer;
}

/** Imitates a browser's File for WORKERFS: slices are read from the descriptor when they are asked for. */
function clipFile(): object {
  const fd = openSync(file, "r");
  const { size } = fstatSync(fd);
  return {
    name: "in",
    size,
    lastModifiedDate: new Date(0),
    slice(start: number, end: number): FilePart {
      const length = Math.max(0, Math.min(end, size) - start);
      return {
        size: length,
        read() {
          const bytes = new Uint8Array(length);
          let got = 0;
          while (got < length) {
            const n = readSync(fd, bytes, got, length - got, start + got);
            if (n === 0) break;
            got += n;
          }
          return bytes.buffer;
        },
      };
    },
  };
}
