import { kinds, type Shape } from "../check.js";
import { UsageError } from "../errors.js";
import { type Window, windowsOf } from "../find/windows.js";
import type { FrameReport, VideoOptions } from "../media/frames.js";
import { maxSampledFrames } from "../media/video/sampling.js";
import { questionAbout } from "../prompt/choice.js";
import type { InputMedium } from "../prompt/messages.js";
import { type ChatMedia, releaseMedia } from "../vision/chat-media.js";
import { Reel } from "../vision/reel.js";
import type { Engine } from "./engine.js";
import { type ScoreOptions, scoreShape, scoreYesNo } from "./score.js";

export interface FindOptions extends Omit<ScoreOptions, "cut" | "end" | "letters" | "video"> {
  /** Seconds of a window; default: 2. */
  window?: number | undefined;
  /** Seconds from the start of a window to that of the next; default: the length of a window. */
  stride?: number | undefined;
  /** Frames that a window shows; default: 2. */
  frames?: number | undefined;
  /** The question of yes or no that is asked of each window, with `{}` for what is looked for; default: "Do you see {}?". */
  question?: string | undefined;
  /** The part of the clip to look at, and the decoder. */
  video?: Pick<VideoOptions, "start" | "end" | "decoder"> | undefined;
}

const { cut: _cut, end: _end, letters: _letters, ...scoring } = scoreShape;
export const findShape: Shape<FindOptions> = {
  ...scoring,
  ...{ window: kinds.number, stride: kinds.number, frames: kinds.number, question: kinds.text, video: kinds.object },
};

/** A window of a clip, in seconds from its first frame, and how probable it is that it shows what is looked for. */
export interface Moment {
  start: number;
  end: number;
  /** The probability that the answer is yes, summed over its spellings. */
  probability: number;
  /** The probability that it is no. */
  no: number;
  frames: FrameReport[];
}

/** Windows that are under way at the same time: while one is scored, the frames of the next are decoded and encoded. */
const windowsAhead = 2;

/**
 * Asks of each window of a clip whether it shows something, and gives the windows in the order of time. Each frame is decoded and encoded once,
 * however many windows show it; at most 4,096 frames of a clip are looked at, evenly spread. An error comes after the windows before it.
 */
export async function* findMoments(
  engine: Engine,
  clip: InputMedium,
  text: string,
  options: FindOptions,
  signal: AbortSignal,
): AsyncGenerator<Moment, void, void> {
  const { window: length = 2, stride = length, frames = 2, question, video = {}, onProgress, ...rest } = options;
  const { tenant, maxPixels } = options;
  const content = questionAbout(text, question);
  checkOptions(length, stride, frames);
  const sampling = { ...video, fps: frames / length, maxFrames: maxSampledFrames };
  const media = await engine.loadMedia({ type: "video", ...clip }, { cut: false, video: sampling, maxPixels, signal });
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const pending: Promise<Moment>[] = [];
  let reel: Reel | undefined;
  try {
    const { shown, times, end } = timesOf(media, video);
    const windows = windowsOf(times, { start: video.start ?? 0, end, length, stride });
    const film = new Reel(media, engine.crops, { signal: either, tenant });
    reel = film;
    const ask = async ({ start, end, from, to }: Window): Promise<Moment> => {
      const parts = [
        { type: "video" as const, ...clip },
        { type: "text" as const, text: `\n${content}` },
      ];
      const one = { ...engine, loadMedia: async () => film.part(from, to) };
      const { yes, no } = await scoreYesNo(one, [{ role: "user", content: parts }], { ...rest, signal: either });
      return { start, end, probability: yes, no, frames: shown.slice(from, to) };
    };
    onProgress?.({ stage: "find", done: 0, total: windows.length });
    for (const [i, current] of windows.entries()) {
      for (const next of windows.slice(i + pending.length, i + windowsAhead)) {
        const asked = ask(next);
        asked.catch(() => {}); // told when its turn comes
        pending.push(asked);
      }
      const moment = await (pending[0] as Promise<Moment>);
      pending.shift();
      film.drop(windows[i + 1]?.from ?? current.to);
      onProgress?.({ stage: "find", done: i + 1, total: windows.length });
      yield moment;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(pending);
    await reel?.close();
    releaseMedia(media);
  }
}

function checkOptions(length: number, stride: number, frames: number): void {
  const positive = (what: string, seconds: number): void => {
    if (!(seconds >= 0.001 && Number.isFinite(seconds)))
      throw new UsageError(`the ${what} of windows is ${seconds} s; it must be a millisecond at least.`);
  };
  positive("length", length);
  positive("stride", stride);
  if (!Number.isInteger(frames) || frames < 1 || frames > maxSampledFrames)
    throw new UsageError(`a window shows ${frames} frames; it must be an integer from 1 to ${maxSampledFrames}.`);
}

/** The sampled frames of an opened clip, and when the part to look at ends. */
function timesOf({ report }: ChatMedia, { end }: Pick<VideoOptions, "end">) {
  if (!report.video) throw new UsageError(`${report.path} is no clip with times.`);
  const { frames: shown, duration } = report.video;
  const times = shown.map(({ time }) => time);
  const last = Math.max(duration, times.at(-1) ?? 0);
  return { shown, times, end: Math.min(end ?? last, last) };
}
