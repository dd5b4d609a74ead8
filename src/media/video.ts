/** Opens clips with a decoder that can read them. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { FileError, NoFfmpegError, systemReason, UserError } from "../errors.js";
import { temporaryFolder } from "../files.js";
import type { Container, Source } from "../prompt/messages.js";
import { readMediumHead } from "./head.js";
import { openAnimation } from "./video/animation.js";
import { builtinCore, createBuiltinRunner } from "./video/builtin.js";
import type { Clip } from "./video/clip.js";
import { containerOf, isPlaylist } from "./video/container.js";
import { openFfmpegClip } from "./video/ffmpeg-clip.js";
import { defaultLimits, type Limits } from "./video/probe.js";
import { createSystemRunner, systemFfmpeg } from "./video/system.js";

export type { Clip, ClipFrame } from "./video/clip.js";
export { containerOf, sniffBytes } from "./video/container.js";
export { type ClipInfo, defaultLimits } from "./video/probe.js";
export { parseTime, type SamplingOptions, sampleFrames } from "./video/sampling.js";

export type DecoderChoice = "auto" | "builtin" | "system";

export interface OpenClipOptions {
  /** Default "auto": the ffmpeg of this machine where there is one, else the built-in decoder. */
  decoder?: DecoderChoice;
  /** The name of the clip in messages; default: the path. */
  name?: string;
  limits?: Partial<Limits>;
  signal?: AbortSignal;
}

/** Opens a clip: a path, its bytes, or an opened source. Close it when done. */
export async function openClip(medium: string | Uint8Array | Source, options: OpenClipOptions = {}): Promise<Clip> {
  if (typeof medium === "string") {
    const name = options.name ?? medium;
    const { bytes } = await readMediumHead(medium, name);
    return openFile(medium, clipContainer(bytes, name), name, options);
  }
  if (medium instanceof Uint8Array) {
    const name = options.name ?? "the clip";
    return openBytes(medium, clipContainer(medium, name), name, options);
  }
  const { container, name } = medium;
  if (!container) throw notClip(name);
  if (medium.bytes) return openBytes(medium.bytes, container, name, options);
  return openFile(medium.path, container, name, options);
}

/** The container of a clip by its first bytes. Throws FileError for anything else. */
function clipContainer(head: Uint8Array, name: string): Container {
  const container = containerOf(head);
  if (container) return container;
  if (isPlaylist(head)) throw new FileError(`${name} is a playlist, not a clip: playlists are not opened.`);
  throw head.length === 0 ? new FileError(`${name} is empty.`) : notClip(name);
}

const notClip = (name: string) =>
  new FileError(`${name} is not a video: expected MP4, MOV, WebM, MKV, AVI, GIF or animated WebP.`);

async function openFile(file: string, container: Container, name: string, options: OpenClipOptions): Promise<Clip> {
  const limits = { ...defaultLimits, ...options.limits };
  if (container === "gif" || container === "webp") return openAnimation(file, name, container, limits);
  const system = (await chooseDecoder(options.decoder ?? "auto")) === "system";
  const runner = system ? createSystemRunner(file) : createBuiltinRunner(file);
  try {
    return await openFfmpegClip(runner, container, name, limits, options.signal);
  } catch (error) {
    await runner.close();
    throw error;
  }
}

async function chooseDecoder(choice: DecoderChoice): Promise<"system" | "builtin"> {
  if (choice === "builtin") return "builtin";
  if (await systemFfmpeg()) return "system";
  if (choice === "system") throw new NoFfmpegError();
  if (builtinCore() === null)
    throw new UserError("there is no video decoder: install ffmpeg, or run `npm install @ffmpeg/core`.");
  return "builtin";
}

/** Writes bytes to a temporary file, since decoders seek; it is removed when the clip is closed. */
async function openBytes(
  bytes: Uint8Array,
  container: Container,
  name: string,
  options: OpenClipOptions,
): Promise<Clip> {
  const { folder, remove } = temporaryFolder("owl3-clip-");
  try {
    const file = path.join(folder, "clip");
    await writeFile(file, bytes, { mode: 0o600 }).catch((error) => {
      throw new FileError(`${name} can't be kept in ${folder} while it is read: ${systemReason(error)}.`, {
        cause: error,
      });
    });
    const clip = await openFile(file, container, name, options);
    return {
      ...clip,
      async close() {
        await clip.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
