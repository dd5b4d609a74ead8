/** Clips: opening one with a decoder that can read it, and sampling its frames. */
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { FileError, NoFfmpegError, UserError } from "../errors.js";
import { openAnimation } from "./video/animation.js";
import { builtinCore, createBuiltinRunner } from "./video/builtin.js";
import type { Clip } from "./video/clip.js";
import { containerOf, isPlaylist, SNIFF_BYTES } from "./video/container.js";
import { openFfmpegClip } from "./video/ffmpeg-clip.js";
import { defaultLimits, type Limits } from "./video/probe.js";
import { createSystemRunner, systemFfmpeg } from "./video/system.js";

export type { Clip, ClipFrame } from "./video/clip.js";
export { containerOf, SNIFF_BYTES } from "./video/container.js";
export type { ClipInfo } from "./video/probe.js";
export { parseTime, type SamplingOptions, sampleFrames } from "./video/sampling.js";

export type DecoderChoice = "auto" | "builtin" | "system";

export interface OpenClipOptions {
  /** Default "auto": the ffmpeg of this machine where there is one, else the built-in. */
  decoder?: DecoderChoice;
  /** What to call the clip in messages; default: the path. */
  name?: string;
  limits?: Partial<Limits>;
  signal?: AbortSignal;
}

/** Opens a clip: a path, or its bytes. Close it when done. */
export async function openClip(source: string | Uint8Array, options: OpenClipOptions = {}): Promise<Clip> {
  if (typeof source !== "string") return openBytes(source, options);
  const name = options.name ?? source;
  const limits = { ...defaultLimits, ...options.limits };
  const head = await readHead(source, name);
  const container = containerOf(head);
  if (!container) {
    if (isPlaylist(head)) throw new FileError(`${name} is a playlist, not a clip: playlists are not opened.`);
    throw new FileError(
      head.length === 0
        ? `${name} is empty.`
        : `${name} is not a video: expected MP4, MOV, WebM, MKV, AVI, GIF or animated WebP.`,
    );
  }
  if (container === "gif" || container === "webp") return openAnimation(source, name, container, limits);
  const runner =
    chooseDecoder(options.decoder ?? "auto") === "system" ? createSystemRunner(source) : createBuiltinRunner(source);
  try {
    return await openFfmpegClip(runner, container, name, limits, options.signal);
  } catch (error) {
    await runner.close();
    throw error;
  }
}

function chooseDecoder(choice: DecoderChoice): "system" | "builtin" {
  if (choice === "builtin") return "builtin";
  if (systemFfmpeg()) return "system";
  if (choice === "system") throw new NoFfmpegError();
  if (builtinCore() === null)
    throw new UserError("There is no video decoder: install ffmpeg, or run `npm install @ffmpeg/core`.");
  return "builtin";
}

/** Decoders need a file they can seek in, so bytes become one for as long as the clip is open. */
async function openBytes(bytes: Uint8Array, options: OpenClipOptions): Promise<Clip> {
  const folder = await mkdtemp(path.join(tmpdir(), "owl3-clip-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const file = path.join(folder, "clip");
    await writeFile(file, bytes, { mode: 0o600 });
    const clip = await openClip(file, { name: "the clip", ...options });
    return {
      ...clip,
      async close() {
        await clip.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function readHead(file: string, name: string): Promise<Uint8Array> {
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    throw new FileError(
      error.code === "ENOENT" ? `There is no file ${name}.` : `${name} can't be read: ${error.code ?? error.message}.`,
      { cause: error },
    );
  });
  try {
    if ((await handle.stat()).isDirectory()) throw new FileError(`${name} is a folder, not a clip.`);
    const head = new Uint8Array(SNIFF_BYTES);
    const { bytesRead } = await handle.read(head, 0, SNIFF_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
