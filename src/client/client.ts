import type { AnswerFormat } from "../constrain/format.js";
import type { SamplingOptions } from "../decode/sampling.js";
import { UsageError, UserError } from "../errors.js";
import type { VideoOptions } from "../media/frames.js";
import { openSource, readBytes } from "../media/source.js";
import type { InputMessage, InputPart } from "../prompt/messages.js";
import { eventData } from "./sse.js";

export interface RemoteOptions extends Omit<SamplingOptions, "logprobs"> {
  maxTokens?: number | undefined;
  stop?: readonly string[] | undefined;
  /** Undefined: the server cuts a picture that is alone. */
  cut?: boolean | undefined;
  video?: Omit<VideoOptions, "decoder" | "rule"> | undefined;
  format?: AnswerFormat | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the crops that the vision tower is done with, of all, from five seconds on. */
  onVision?: ((done: number, total: number) => void) | undefined;
}

export interface RemoteAnswer {
  text: string;
  finishReason: "stop" | "length";
  model: string;
  usage: { promptTokens: number; completionTokens: number; crops: number };
  /** Milliseconds of each stage on the server. */
  timings: { preprocessMs: number; visionMs: number; prefillMs: number; decodeMs: number };
}

interface Chunk {
  model: string;
  choices: { delta: { content?: string }; finish_reason: "stop" | "length" | null }[];
  usage?: { prompt_tokens: number; completion_tokens: number; crops: number } | null;
  timings?: { preprocess_ms: number; vision_ms: number; prefill_ms: number; decode_ms: number };
  error?: { message: string };
}

/** Asks a running `owl3 serve`. Pictures and clips are read here and sent along. */
export class OwlClient {
  readonly url: string;
  readonly #headers: Record<string, string>;

  /** @param url where the server is, such as http://127.0.0.1:8080; with an API key, it is sent there alone */
  constructor(url: string, { apiKey }: { apiKey?: string | undefined } = {}) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
      throw new UsageError(`${url} is no address of a server; http://127.0.0.1:8080 is one.`);
    this.url = url.replace(/\/+$/, "");
    this.#headers = { "content-type": "application/json", ...(apiKey && { authorization: `Bearer ${apiKey}` }) };
  }

  /** Answers a conversation that ends with a question. Gives pieces of text as they come, and returns the whole. Throws UserError. */
  async *answer(
    messages: readonly InputMessage[],
    options: RemoteOptions = {},
  ): AsyncGenerator<string, RemoteAnswer, void> {
    const { signal } = options;
    const body = JSON.stringify({
      messages: await Promise.all(messages.map(wireMessage)),
      ...wireOptions(options),
      stream: true,
      stream_options: { include_usage: true },
    });
    const response = await fetch(`${this.url}/v1/chat/completions`, {
      method: "POST",
      headers: this.#headers,
      body,
      redirect: "error", // the key and the pictures are for this server
      ...(signal && { signal }),
    }).catch((error: Error) => {
      if (signal?.aborted) throw signal.reason;
      throw new UserError(`${this.url} can't be reached: ${reasonOf(error)}.`, undefined, { cause: error });
    });
    if (!response.ok || !response.body) throw await refused(this.url, response);
    let text = "";
    let last: Partial<RemoteAnswer> = {};
    const onComment = (comment: string): void => {
      const [, done, all] = /^vision (\d+)\/(\d+)$/.exec(comment) ?? [];
      if (all !== undefined) options.onVision?.(Number(done), Number(all));
    };
    for await (const data of eventData(response.body, onComment)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) throw new UserError(`${this.url}: ${chunk.error.message}`);
      const { choices, usage, timings, model } = chunk;
      const [choice] = choices;
      if (choice?.finish_reason) last = { ...last, model, finishReason: choice.finish_reason };
      if (usage) last = { ...last, usage: usageOf(usage) };
      if (timings) last = { ...last, timings: timingsOf(timings) };
      const piece = choice?.delta.content ?? "";
      text += piece;
      if (piece !== "") yield piece;
    }
    const { finishReason, usage, timings, model } = last;
    if (!finishReason || !usage || !timings || !model)
      throw new UserError(`${this.url} ended its answer in the middle.`);
    return { text, finishReason, model, usage, timings };
  }
}

const usageOf = (u: NonNullable<Chunk["usage"]>): RemoteAnswer["usage"] => ({
  promptTokens: u.prompt_tokens,
  completionTokens: u.completion_tokens,
  crops: u.crops,
});
const timingsOf = (t: NonNullable<Chunk["timings"]>): RemoteAnswer["timings"] => ({
  preprocessMs: t.preprocess_ms,
  visionMs: t.vision_ms,
  prefillMs: t.prefill_ms,
  decodeMs: t.decode_ms,
});

async function wireMessage({ role, content }: InputMessage): Promise<object> {
  if (typeof content === "string") return { role, content };
  const parts: object[] = [];
  for (const part of content) parts.push(await wirePart(part));
  return { role, content: parts };
}

async function wirePart(part: InputPart): Promise<object> {
  if (part.type === "text") return part;
  if ("frames" in part) {
    const video: string[] = [];
    for (const frame of part.frames) video.push(await dataUrlOf(frame));
    return { type: "video", video };
  }
  const url = await dataUrlOf("source" in part ? part.source : "path" in part ? part.path : part.data);
  return part.type === "image" ? { type: "image_url", image_url: { url } } : { type: "video_url", video_url: { url } };
}

async function dataUrlOf(medium: Parameters<typeof readBytes>[0] | string | Uint8Array): Promise<string> {
  const opened = typeof medium === "string" || medium instanceof Uint8Array ? await openSource(medium) : medium;
  return `data:application/octet-stream;base64,${Buffer.from(await readBytes(opened)).toString("base64")}`;
}

function wireOptions({ video = {}, format, ...o }: RemoteOptions): object {
  return {
    ...{ temperature: o.temperature, top_k: o.topK, top_p: o.topP, min_p: o.minP, seed: o.seed, cut: o.cut },
    ...{ repetition_penalty: o.repetitionPenalty, presence_penalty: o.presencePenalty },
    ...{ frequency_penalty: o.frequencyPenalty, max_tokens: o.maxTokens, stop: o.stop },
    ...{ fps: video.fps, frames: video.frames ?? video.maxFrames, start: video.start, end: video.end },
    ...(format && { response_format: wireFormat(format) }),
  };
}

function wireFormat(format: AnswerFormat): object {
  if ("jsonObject" in format) return { type: "json_object" };
  if (!("schema" in format)) throw new UsageError("a server takes JSON and schemas as forms of an answer, no others.");
  return { type: "json_schema", json_schema: { name: "answer", schema: format.schema, strict: !format.lax } };
}

async function refused(url: string, response: Response): Promise<UserError> {
  const body = (await response.json().catch(() => undefined)) as { error?: { message?: unknown } } | undefined;
  const message = body?.error?.message;
  return new UserError(
    typeof message === "string" ? `${url}: ${message}` : `${url} answered ${response.status}; it may be no owl3 serve.`,
  );
}

function reasonOf(error: Error): string {
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  return networkReasons[code] ?? error.message;
}

const networkReasons: Record<string, string> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it closed the connection",
  UND_ERR_SOCKET: "it closed the connection",
  ENOTFOUND: "there is no host of this name",
  EAI_AGAIN: "there is no host of this name",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
  ETIMEDOUT: "it does not answer",
  UND_ERR_CONNECT_TIMEOUT: "it does not answer",
};
