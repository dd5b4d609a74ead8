import { UsageError } from "../errors.js";
import { sampleVideo } from "../media/frames.js";
import type { Binding } from "./binding.js";
import type { ChatMedia, LoadMedia } from "./conversation.js";
import { nativeCall } from "./native.js";

/** How media become crops of `cropSize` pixels a side. */
export function mediaLoader(binding: Pick<Binding, "resize" | "cutImage">, cropSize: number): LoadMedia {
  return async (part, options) => {
    if (part.type === "video" && "path" in part) return loadVideo(part.path, part.path);
    throw new UsageError("pictures are not supported yet");

    async function loadVideo(source: string | Uint8Array, name: string): Promise<ChatMedia> {
      const clip = await sampleVideo(source, {
        ...options.video,
        name,
        ...(options.signal && { signal: options.signal }),
      });
      const { width, height, codec, fps, duration } = clip.info;
      const crops = clip.frames.length;
      return {
        type: "video",
        frameCount: crops,
        report: {
          ...{ path: name, width, height, grid: null, crops },
          video: { codec, decoder: clip.decoder, fps, duration, frames: clip.frames },
        },
        // Only the global view of a frame is shown, so a frame's own pixels go as soon as it is resized.
        async *crops(signal) {
          for await (const { image } of clip.read(signal))
            yield await nativeCall(binding.resize(image.data, image.width, image.height, cropSize, cropSize));
        },
        close: clip.close,
      };
    }
  };
}
