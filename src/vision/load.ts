import { sampleVideo } from "../media/frames.js";
import { loadImage } from "../media/image.js";
import type { Binding } from "../native/binding.js";
import { nativeCall } from "../native/native.js";
import { chooseGrid } from "../prompt/grid.js";
import type { Grid, InputImage, InputVideo, RgbImage } from "../prompt/messages.js";
import { type ChatMedia, type LoadMedia, type LoadOptions, nameOf } from "./chat-media.js";

/** Cut pictures that are kept from the look at them until they are encoded; those past it are decoded again. */
const keptBytes = 128 * 2 ** 20;

/**
 * Opens pictures and videos and cuts them into crops of side `s`. Every picture is decoded once at the start, so that a damaged one is told
 * before hours of work; a video's frames are decoded only as they are encoded.
 */
export function mediaLoader(binding: Pick<Binding, "cutImage">, s: number): LoadMedia {
  let kept = 0;
  const cut = ({ data, width, height }: RgbImage, grid: Grid | null): Promise<Uint8Array> =>
    nativeCall(binding.cutImage(data, width, height, s, grid));

  return (part, options) =>
    part.type === "image" ? picture(part, options) : "frames" in part ? frames(part.frames) : clip(part, options);

  async function picture(part: InputImage, options: LoadOptions): Promise<ChatMedia> {
    const image = await decode(part);
    const { width, height } = image;
    const grid = options.cut ? chooseGrid(width, height, s) : null;
    const crops = grid ? grid[0] * grid[1] + 1 : 1;
    const pixels = keep(await cut(image, grid));
    return {
      type: "image",
      grid,
      report: { path: nameOf(part), width, height, grid, crops },
      async *crops() {
        const all = pixels.get() ?? (await cut(await decode(part), grid));
        for (let i = 0; i < crops; i++) yield all.subarray((i * all.length) / crops, ((i + 1) * all.length) / crops);
      },
      close: async () => pixels.drop(),
    };
  }

  async function clip(part: ClipPart, { video, signal }: LoadOptions): Promise<ChatMedia> {
    const path = nameOf(part);
    const source = "path" in part ? part.path : part.data;
    const sampled = await sampleVideo(source, { ...video, name: path, ...(signal && { signal }) });
    const { width, height, codec, fps, duration } = sampled.info;
    const crops = sampled.frames.length;
    const chosen = { codec, decoder: sampled.decoder, fps, duration, frames: sampled.frames };
    return {
      type: "video",
      frameCount: crops,
      report: { path, width, height, grid: null, crops, video: chosen },
      async *crops(abort) {
        for await (const { image } of sampled.read(abort)) yield await cut(image, null);
      },
      close: sampled.close,
    };
  }

  /** A video given as its frames. */
  async function frames(paths: readonly string[]): Promise<ChatMedia> {
    const views: Kept[] = [];
    let size = { width: 0, height: 0 };
    for (const path of paths) {
      const image = await loadImage(path);
      size = { width: image.width, height: image.height };
      views.push(keep(await cut(image, null)));
    }
    return {
      type: "video",
      frameCount: paths.length,
      report: { path: paths[0] ?? "video", ...size, grid: null, crops: paths.length },
      async *crops() {
        for (const [i, path] of paths.entries()) yield views[i]?.get() ?? (await cut(await loadImage(path), null));
      },
      close: async () => {
        for (const view of views) view.drop();
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

type ClipPart = Exclude<InputVideo, { frames: string[] }>;

interface Kept {
  get(): Uint8Array | undefined;
  drop(): void;
}

function decode(part: InputImage): Promise<RgbImage> {
  if ("path" in part) return loadImage(part.path);
  return loadImage(part.data, part.name === undefined ? {} : { name: part.name });
}
