/** Ollama's requests → the engine's, and its answers. */
import type { AnswerEvent, AnswerRequest, ModelInfo } from "../../worker/protocol.js";
import { type Collected, collect } from "../collect.js";
import { badRequest, unsupported } from "../errors.js";
import type { Turn, TurnPart } from "../messages.js";
import { checkTools, samplingOf } from "../openai/request.js";
import { defaultAnswerTokens, type Settings } from "../settings.js";
import type { OllamaChatRequest, OllamaGenerateRequest, OllamaOptions } from "./schema.js";

/** The names of Ollama's two ways to ask differ in where the text stands. */
export type Kind = "chat" | "generate";

export function chatTurns({ messages }: OllamaChatRequest): Turn[] {
  return messages.map(({ role, content, images }, i) => {
    const param = `messages.${i}`;
    if (role !== "user" && images && images.length > 0)
      throw badRequest("only a user's message can hold pictures.", `${param}.images`);
    return { role, param, parts: partsOf(content ?? "", images ?? [], param) };
  });
}

export function generateTurns({ system, prompt, images, raw, suffix, template }: OllamaGenerateRequest): Turn[] {
  if (raw) throw unsupported("raw", "prompts are written by the model's template.");
  if (suffix) throw unsupported("suffix", "the model does not fill gaps.");
  if (template) throw unsupported("template", "the model has its own.");
  return [
    ...(system ? [{ role: "system" as const, param: "system", parts: [{ type: "text" as const, text: system }] }] : []),
    { role: "user", param: "prompt", parts: partsOf(prompt ?? "", images ?? [], "") },
  ];
}

/** Pictures come before the text, as in Ollama. */
function partsOf(text: string, images: readonly string[], at: string): TurnPart[] {
  const pictures = images.map((image, i): TurnPart => {
    const param = `${at === "" ? "" : `${at}.`}images.${i}`;
    const bytes = Buffer.from(image.replace(/^data:[^,]*,/, ""), "base64");
    return { type: "image", medium: { bytes, param } };
  });
  return [...pictures, { type: "text", text }];
}

export function checkOllama({ tools }: OllamaChatRequest | OllamaGenerateRequest): void {
  checkTools({ tools });
}

/** Ollama's form of an answer: "json", or a schema, whose keywords need not be known. */
export function ollamaFormat({ format }: OllamaChatRequest | OllamaGenerateRequest): Pick<AnswerRequest, "format"> {
  if (format === undefined || format === null || format === "") return {};
  if (format === "json") return { format: { jsonObject: true } };
  if (typeof format !== "object" || Array.isArray(format)) throw badRequest('it must be "json" or a schema.', "format");
  return { format: { schema: format, lax: true } };
}

export function ollamaSampling(
  options: OllamaOptions,
  { maxTokens }: Settings,
): Pick<AnswerRequest, "sampling" | "maxTokens" | "stop"> {
  const o = options ?? {};
  const asked = o.num_predict ?? Math.min(defaultAnswerTokens, maxTokens);
  const { stop } = o;
  return {
    sampling: samplingOf({ ...o, repetition_penalty: o.repeat_penalty }),
    // Ollama writes -1 and -2 for as many as there is room for.
    maxTokens: asked < 1 ? maxTokens : Math.min(asked, maxTokens),
    stop: typeof stop === "string" ? [stop] : (stop ?? []),
  };
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const nanoseconds = (ms: number): number => Math.round(ms * 1e6);

/** A part of an answer, or all of it. */
export function ollamaPiece(kind: Kind, model: string, text: string): object {
  const said = kind === "chat" ? { message: { role: "assistant", content: text } } : { response: text };
  return { model, created_at: new Date().toISOString(), ...said, done: false };
}

function lastOf(kind: Kind, model: string, text: string, end: Collected["end"], totalMs: number): object {
  const { finishReason, usage, timings } = end;
  return {
    ...ollamaPiece(kind, model, text),
    done: true,
    done_reason: finishReason,
    ...(kind === "generate" && { context: [] }),
    total_duration: nanoseconds(totalMs),
    load_duration: 0,
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: nanoseconds(timings.preprocessMs + timings.visionMs + timings.prefillMs),
    eval_count: usage.completionTokens,
    eval_duration: nanoseconds(timings.decodeMs),
  };
}

export async function ollamaWhole(kind: Kind, model: string, events: AsyncIterable<AnswerEvent>): Promise<object> {
  const started = performance.now();
  const [{ text, end }] = (await collect(events, 1)) as [Collected];
  return lastOf(kind, model, text, end, performance.now() - started);
}

export async function* ollamaLines(
  kind: Kind,
  model: string,
  events: AsyncIterable<AnswerEvent>,
): AsyncGenerator<string, void, void> {
  const started = performance.now();
  for await (const event of events) {
    if (event.type === "end") yield line(lastOf(kind, model, "", event, performance.now() - started));
    else if (event.type === "piece" && event.text !== "") yield line(ollamaPiece(kind, model, event.text));
  }
}

export function modelEntry({ model, created }: Settings, info: ModelInfo | undefined): object {
  return {
    name: model,
    model,
    modified_at: new Date(created * 1000).toISOString(),
    size: info?.weightBytes ?? 0,
    digest: "",
    details: details(info),
  };
}

export function details(info: ModelInfo | undefined): object {
  const family = String(info?.metadata["general.architecture"] ?? "mplugowl3");
  return {
    parent_model: "",
    format: "gguf",
    family,
    families: [family],
    parameter_size: String(info?.metadata["general.size_label"] ?? ""),
    quantization_level: "",
  };
}
