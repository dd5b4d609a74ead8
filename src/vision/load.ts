import { sampleVideo } from "../media/frames.js";
import { readImage } from "../media/image.js";
import { openSource } from "../media/source.js";
import type { Binding } from "../native/binding.js";
import { nativeCall } from "../native/native.js";
import { chooseGrid, cropCount } from "../prompt/grid.js";
import type { Grid, InputImage, InputVideo, RgbImage, Source } from "../prompt/messages.js";
import { type ChatMedia, type LoadMedia, type LoadOptions, nameOf } from "./chat-media.js";

/** Bytes of cut pictures that are kept until they are encoded; pictures beyond that are decoded again. */
const keptBytes = 128 * 2 ** 20;

/**
 * Opens pictures and videos and cuts them into crops [cropSize, cropSize, 3]. Every picture is decoded once at the start, so that a damaged
 * one is reported before hours of work; the frames of a video are decoded only when they are encoded.
 */
export function mediaLoader(binding: Pick<Binding, "cutImage">, cropSize: number): LoadMedia {
  let kept = 0;
  const cut = ({ data, width, height }: RgbImage, grid: Grid | null): Promise<Uint8Array> =>
    nativeCall(() => binding.cutImage(data, width, height, cropSize, grid));

  return (part, options) =>
    part.type === "image" ? picture(part, options) : "frames" in part ? frames(part, options) : clip(part, options);

  async function picture(part: InputImage, options: LoadOptions): Promise<ChatMedia> {
    const source = await sourceOf(part);
    const image = await readImage(source, options.maxPixels);
    const { width, height } = image;
    const grid = (part.cut ?? options.cut) ? chooseGrid(width, height, cropSize) : null;
    const crops = cropCount(grid);
    const kept = keep(await cut(image, grid));
    return {
      type: "image",
      grid,
      report: { path: nameOf(part), width, height, grid, crops },
      pixels: {
        async *crops() {
          const all = kept.get() ?? (await cut(await readImage(source), grid));
          for (let i = 0; i < crops; i++) yield all.subarray((i * all.length) / crops, ((i + 1) * all.length) / crops);
        },
        close: async () => kept.drop(),
      },
    };
  }

  async function clip(part: ClipPart, { video, maxPixels, signal }: LoadOptions): Promise<ChatMedia> {
    const path = nameOf(part);
    const medium = "source" in part ? part.source : "path" in part ? part.path : part.data;
    const sampled = await sampleVideo(medium, {
      ...video,
      ...part.sampling,
      name: path,
      maxPixels,
      ...(signal && { signal }),
    });
    const { width, height, codec, fps, duration } = sampled.info;
    const crops = sampled.frames.length;
    const chosen = { codec, decoder: sampled.decoder, fps, duration, frames: sampled.frames };
    return {
      type: "video",
      frameCount: crops,
      report: { path, width, height, grid: null, crops, video: chosen },
      pixels: {
        async *crops(abort) {
          for await (const { image } of sampled.read(abort)) yield await cut(image, null);
        },
        close: sampled.close,
      },
    };
  }

  /** Opens a video that is given as its frames. */
  async function frames(part: FramesPart, { maxPixels, signal }: LoadOptions): Promise<ChatMedia> {
    const views: { source: Source; kept: Kept }[] = [];
    let size = { width: 0, height: 0 };
    for (const [i, frame] of part.frames.entries()) {
      signal?.throwIfAborted();
      const source = await openSource(frame, typeof frame === "string" ? {} : { name: `frame ${i + 1}` });
      const image = await readImage(source, maxPixels);
      size = { width: image.width, height: image.height };
      views.push({ source, kept: keep(await cut(image, null)) });
    }
    return {
      type: "video",
      frameCount: views.length,
      report: { path: nameOf(part), ...size, grid: null, crops: views.length },
      pixels: {
        async *crops() {
          for (const { source, kept } of views) yield kept.get() ?? (await cut(await readImage(source), null));
        },
        close: async () => {
          for (const { kept } of views) kept.drop();
        },
      },
    };
  }

  function keep(pixels: Uint8Array): Kept {
    let held = kept + pixels.length <= keptBytes ? pixels : undefined;
    kept += held?.length ?? 0;
    return {
      get: () => held,
      drop: () => {
        kept -= held?.length ?? 0;
        held = undefined;
      },
    };
  }
}

type FramesPart = Extract<InputVideo, { frames: unknown }>;
type ClipPart = Exclude<InputVideo, FramesPart>;

interface Kept {
  get(): Uint8Array | undefined;
  drop(): void;
}

async function sourceOf(part: InputImage): Promise<Source> {
  if ("source" in part) return part.source;
  return openSource("path" in part ? part.path : part.data, part.name === undefined ? {} : { name: part.name });
}
