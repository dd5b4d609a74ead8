import { type ApiError, toApiError } from "./errors.js";

/** How an API writes its frames. */
export interface StreamFormat {
  contentType: string;
  /** The frames that tell a client of an error and end the stream: an end without them would pass for a whole answer. */
  onError: (error: ApiError) => string;
  /** A frame that means nothing and keeps the connection alive while there is nothing to say. */
  ping: string;
}

export interface StreamOptions extends StreamFormat {
  /** Called once when the stream is over, however it ends. */
  onEnd: () => void;
  /** Called with an error that comes in the middle of the stream. */
  log: (error: unknown) => void;
  /** Stops the work behind the frames. */
  leave: () => void;
  pingMs?: number;
  /** The status has to be told before the answer begins: an error that comes within this time has one, a later one is an event of the stream. */
  headersMs?: number;
}

/** Streams frames as they are made, no faster than the client reads. What fails before the first frame is thrown; comments are none, and wait for it. */
export async function streamed(frames: AsyncGenerator<string>, options: StreamOptions): Promise<Response> {
  const { contentType, onError, ping, onEnd, log, leave, pingMs = 10_000, headersMs = 5000 } = options;
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string>> | undefined = frames.next();
  let comment: string | undefined;
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    onEnd();
  };
  try {
    const until = performance.now() + headersMs;
    for (;;) {
      const first = await within(next, until - performance.now());
      if (first?.value === undefined || !isComment(first.value)) break;
      comment = first.value; // the latest says all that those before it said
      next = frames.next();
    }
  } catch (error) {
    end();
    throw error;
  }
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(out) {
        try {
          if (comment !== undefined) {
            out.enqueue(encoder.encode(comment));
            comment = undefined;
            return;
          }
          next ??= frames.next();
          const item = await within(next, pingMs);
          if (item === undefined) return out.enqueue(encoder.encode(ping));
          next = undefined;
          if (!item.done) return out.enqueue(encoder.encode(item.value));
        } catch (error) {
          if (over) return; // the client left
          log(error);
          out.enqueue(encoder.encode(onError(toApiError(error))));
        }
        end();
        out.close();
      },
      cancel() {
        end();
        leave();
        next?.catch(() => {});
        void frames.return(undefined).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: { "content-type": contentType, "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

/** Waits for a promise; gives undefined when that takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A comment of a stream of server-sent events, which clients pass over: how far the vision tower is. */
export function visionComment({ done, total }: { done: number; total: number }): string {
  return `: vision ${done}/${total}\n\n`;
}

const isComment = (frame: string): boolean => frame.startsWith(":");

/** An event of a stream of server-sent events. */
export function sse(data: unknown, event?: string): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}
