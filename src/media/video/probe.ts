/** Reads the properties of a clip with ffprobe: sizes, colours, rotation, and the presentation time of every frame. */
import { jsonOf } from "../../check.js";
import { FileError } from "../../errors.js";
import type { Container } from "./container.js";
import { DecoderFailure, type Runner, type RunOptions } from "./runner.js";
import type { Matrix } from "./yuv.js";

export interface Limits {
  /** Pixels of a frame. */
  pixels: number;
  /** Frames of a clip. */
  frames: number;
  /** Seconds of a clip. */
  duration: number;
  /** Wall-clock milliseconds of one run of the decoder. */
  timeoutMs: number;
}
export const defaultLimits: Limits = {
  pixels: 8192 * 4608,
  frames: 4_000_000,
  duration: 24 * 3600,
  timeoutMs: 20 * 60_000,
};

export interface ClipInfo {
  codec: string;
  /** Number of presented frames; those that an edit list hides are not counted. */
  frames: number;
  /** Average frames a second by the file's header; 0 if it has none. */
  fps: number;
  /** Width and height as displayed, after rotation. */
  width: number;
  height: number;
  /** Rotation in degrees, usually 0, 90, 180 or 270. */
  rotation: number;
  /** Seconds. */
  duration: number;
}

/** The format of decoded frames: planar 4:2:0, which yuv.ts converts, or RGB by ffmpeg where decoders do not agree anyway. */
export type FrameFormat = { kind: "yuv420"; matrix: Matrix; fullRange: boolean } | { kind: "rgb24" };

/** The frames in presentation order. `pts` is in units of `timeBase` seconds, and null where the container has none, which rules out seeking. */
export interface Timeline {
  pts: Float64Array | null;
  /** 1 for key frames, at which decoding can start. */
  key: Uint8Array;
  timeBase: number;
  /** Start of the file in seconds, from which ffmpeg counts a seek. */
  startTime: number;
  /** The time of each frame in seconds from the first. */
  times: Float64Array;
}

export interface Probe {
  info: ClipInfo;
  format: FrameFormat;
  timeline: Timeline;
}

export async function probeClip(
  runner: Runner,
  container: Container,
  name: string,
  limits: Limits,
  signal?: AbortSignal,
): Promise<Probe> {
  const options: RunOptions = { signal, timeoutMs: limits.timeoutMs };
  const refused = (error: unknown): never => {
    if (!(error instanceof DecoderFailure)) throw error;
    throw unreadable(name, error.complaints, error);
  };
  const stream = await probeStream(runner, container, name, options).catch(refused);
  const { width, height } = stream;
  if (!(Number.isSafeInteger(width) && width > 0 && Number.isSafeInteger(height) && height > 0))
    throw new FileError(`${name} has no picture size, so it can't be decoded.`);
  if (width * height > limits.pixels)
    throw new FileError(
      `${name} has frames of ${width}x${height}, more than the ${limits.pixels} pixels that are decoded.`,
    );
  if (runner.kind === "builtin" && stream.codec === "av1")
    throw new FileError(
      `${name} is AV1, which the built-in decoder can't decode: install ffmpeg, or convert the clip to H.264 or VP9.`,
    );
  const frames = await listFrames(runner, container, stream, options).catch(refused);
  const count = frames.key.length;
  if (count === 0) throw new FileError(`${name} holds no video frames.`);
  if (count > limits.frames) throw new FileError(`${name} has more than ${limits.frames} frames.`);
  const last = frames.times[count - 1] as number;
  if (!(last <= limits.duration)) throw new FileError(`${name} is longer than ${limits.duration / 3600} hours.`);
  const rotated = Math.abs((stream.rotation % 180) - 90) < 1;
  const info: ClipInfo = {
    codec: stream.codec,
    frames: count,
    fps: stream.fps,
    width: rotated ? height : width,
    height: rotated ? width : height,
    rotation: stream.rotation,
    duration: last + (stream.fps > 0 ? 1 / stream.fps : 0),
  };
  const timeline = { ...frames, timeBase: stream.timeBase, startTime: stream.startTime };
  return { info, format: frameFormat(stream, info), timeline };
}

interface Stream {
  codec: string;
  width: number;
  height: number;
  pixelFormat: string;
  colorSpace: string;
  colorRange: string;
  fps: number;
  timeBase: number;
  rotation: number;
  startTime: number;
}

async function probeStream(runner: Runner, container: Container, name: string, options: RunOptions): Promise<Stream> {
  const entries =
    "stream=codec_name,pix_fmt,width,height,color_range,color_space,avg_frame_rate,time_base" +
    ":stream_side_data=rotation:stream_tags=rotate:format=start_time";
  const args = ["-select_streams", "V:0", "-show_entries", entries, "-of", "json"];
  const { text, complaints } = await runner.probe(container, args, options);
  const report = jsonOf(text);
  const format = member(report, "format");
  if (format === undefined) throw unreadable(name, complaints);
  const stream = member(member(report, "streams"), "0");
  if (stream === undefined) throw new FileError(`${name} holds no video.`);
  const string = (key: string) => {
    const value = member(stream, key);
    return typeof value === "string" ? value : "";
  };
  const sideData = member(stream, "side_data_list");
  const sides = Array.isArray(sideData) ? sideData.map((data) => numberIn(data, "rotation")) : [];
  const rotation = sides.find(Number.isFinite) ?? -numberIn(member(stream, "tags"), "rotate");
  return {
    codec: string("codec_name") || "unknown",
    width: numberIn(stream, "width"),
    height: numberIn(stream, "height"),
    pixelFormat: string("pix_fmt"),
    colorSpace: string("color_space") || "unknown",
    colorRange: string("color_range") || "unknown",
    fps: ratio(string("avg_frame_rate")),
    timeBase: ratio(string("time_base")),
    rotation: Number.isFinite(rotation) ? ((rotation % 360) + 360) % 360 : 0,
    startTime: numberIn(format, "start_time") || 0,
  };
}

const unreadable = (name: string, complaints: readonly string[], cause?: unknown) =>
  new FileError(`${name} can't be read as a clip: ${complaints.at(-1) ?? "it is damaged"}.`, { cause });

/** The value of a JSON text; undefined if it is none, as when its writer broke off. */
/** A member of an object or list, whatever was given for one; undefined if there is none. */
function member(of: unknown, key: string): unknown {
  return typeof of === "object" && of !== null && Object.hasOwn(of, key)
    ? ((of as Record<string, unknown>)[key] ?? undefined)
    : undefined;
}

/** A finite number, which may be written as a text; NaN for anything else. */
function numberIn(of: unknown, key: string): number {
  const value = member(of, key);
  const number = typeof value === "string" ? Number.parseFloat(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : Number.NaN;
}

function ratio(text: string): number {
  const [a = 0, b = 1] = text.split("/").map(Number);
  const value = a / b;
  return Number.isFinite(value) && value > 0 ? value : 0;
}

/**
 * Lists presentation times and key frames. Packets suffice where the container is intact and has a time for each; otherwise (AVI has no
 * times, VP8 has invisible packets, a file may be truncated) all frames are decoded and counted.
 */
async function listFrames(
  runner: Runner,
  container: Container,
  stream: Stream,
  options: RunOptions,
): Promise<Pick<Timeline, "pts" | "key" | "times">> {
  if (stream.codec !== "vp8") {
    const { text, complaints } = await list(runner, container, "packet=pts,flags", options);
    const rows = text.map(([pts, flags = ""]) => ({ pts, key: flags.includes("K"), shown: !flags.includes("D") }));
    const packets = rows.filter((row) => row.shown);
    if (complaints.length === 0 && packets.every((row) => isTime(row.pts))) return timeline(packets, stream, true);
  }
  const { text } = await list(runner, container, "frame=key_frame,best_effort_timestamp", options);
  const frames = text.map(([key, pts]) => ({ pts, key: key === "1" }));
  return timeline(frames, stream, container !== "avi");
}

async function list(runner: Runner, container: Container, entries: string, options: RunOptions) {
  const args = ["-select_streams", "V:0", "-show_entries", entries, "-of", "csv=p=0"];
  const { text, complaints } = await runner.probe(container, args, options);
  const lines = text.split("\n").filter((line) => line !== "");
  return { text: lines.map((line) => line.split(",")), complaints };
}

const isTime = (text: string | undefined) => text !== undefined && /^-?\d+$/.test(text);

function timeline(
  rows: { pts: string | undefined; key: boolean }[],
  stream: Stream,
  seekable: boolean,
): Pick<Timeline, "pts" | "key" | "times"> {
  const timed = stream.timeBase > 0 && rows.every((row) => isTime(row.pts));
  const order = timed ? rows.toSorted((a, b) => Number(a.pts) - Number(b.pts)) : rows;
  const pts = Float64Array.from(order, (row) => Number(row.pts));
  const first = pts[0] ?? 0;
  return {
    pts: timed && seekable ? pts : null,
    key: Uint8Array.from(order, (row) => (row.key ? 1 : 0)),
    times: timed ? pts.map((t) => (t - first) * stream.timeBase) : pts.map((_, k) => k / (stream.fps || 25)),
  };
}

function frameFormat(stream: Stream, info: ClipInfo): FrameFormat {
  const matrix = matrices[stream.colorSpace];
  const planar = stream.pixelFormat === "yuv420p" || stream.pixelFormat === "yuvj420p";
  const even = info.height % 2 === 0 && (info.rotation === 0 || info.width % 2 === 0);
  if (!planar || !even || !matrix) return { kind: "rgb24" };
  return { kind: "yuv420", matrix, fullRange: stream.pixelFormat === "yuvj420p" || stream.colorRange === "pc" };
}

const matrices: Record<string, Matrix> = { unknown: "bt601", bt470bg: "bt601", smpte170m: "bt601", bt709: "bt709" };
