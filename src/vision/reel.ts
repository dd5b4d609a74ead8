import type { ChatMedia } from "./chat-media.js";
import type { Crops, EncodedCrop, HoldOptions } from "./crops.js";
import { prefetch } from "./prefetch.js";

/** Frames that are decoded ahead. */
const framesAhead = 4;

interface Frame {
  pixels: Uint8Array;
  /** Keeps its embeddings known; set when somebody looks at it. */
  held?: Promise<EncodedCrop | undefined>;
}

/**
 * The frames of an open video for those who look at one part of it after another. Each is decoded once and encoded once, however many parts show
 * it: pixels and embeddings are kept until drop() says that no part will.
 */
export class Reel {
  readonly #media: ChatMedia;
  readonly #crops: Crops;
  readonly #source: AsyncGenerator<Uint8Array>;
  readonly #hold: HoldOptions;
  readonly #frames = new Map<number, Frame>();
  /** Frames that were read. */
  #read = 0;
  /** The error that ended the source: all who look at a frame behind it hear of it. */
  #failure: unknown;
  /** Reads one after another. */
  #reading: Promise<unknown> = Promise.resolve();

  /** `media` stays its owner's. */
  constructor(media: ChatMedia, crops: Crops, hold: HoldOptions & { signal: AbortSignal }) {
    if (!media.pixels) throw new Error(`${media.report.path} was closed`);
    this.#media = media;
    this.#crops = crops;
    this.#hold = hold;
    this.#source = prefetch(media.pixels.crops(hold.signal), framesAhead);
  }

  /** A medium of its own that shows the frames from `from` up to `to`; a single frame is a picture that is not cut. */
  part(from: number, to: number): ChatMedia {
    const { video, ...report } = this.#media.report;
    const reel = this;
    const common = {
      report: {
        ...report,
        crops: to - from,
        ...(video && { video: { ...video, frames: video.frames.slice(from, to) } }),
      },
      pixels: {
        async *crops() {
          for (let k = from; k < to; k++) yield await reel.#look(k);
        },
        close: async () => {},
      },
    };
    return to - from === 1
      ? { type: "image", grid: null, ...common }
      : { type: "video", frameCount: to - from, ...common };
  }

  /** Frees the frames before `from`. */
  drop(from: number): void {
    for (const [k, { held }] of this.#frames) {
      if (k >= from) continue;
      this.#frames.delete(k);
      void held?.then((crop) => crop?.release());
    }
  }

  async close(): Promise<void> {
    this.drop(Number.POSITIVE_INFINITY);
    await this.#source.return(undefined);
  }

  async #look(k: number): Promise<Uint8Array> {
    const reading = this.#reading.then(() => this.#readTo(k));
    this.#reading = reading.catch(() => {});
    await reading;
    const frame = this.#frames.get(k);
    if (!frame) throw new Error(`frame ${k} was dropped`);
    // Whoever looks at it hears of an error by itself.
    frame.held ??= this.#crops.hold(frame.pixels, this.#hold).then(
      ({ crop }) => crop,
      () => undefined,
    );
    return frame.pixels;
  }

  async #readTo(k: number): Promise<void> {
    while (this.#read <= k) {
      if (this.#failure !== undefined) throw this.#failure;
      const { done, value } = await this.#source.next().catch((error: unknown) => {
        this.#failure = error;
        throw error;
      });
      if (done) throw new Error(`${this.#media.report.path} ended before its frame ${this.#read}`);
      this.#frames.set(this.#read++, { pixels: value });
    }
  }
}
