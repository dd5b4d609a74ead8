/** Schemas of answers, for the OpenAPI document; tests check answers against them. */
import { z } from "zod";

const count = z.int().min(0);
const timings = z.object({
  preprocess_ms: z.number(),
  vision_ms: z.number(),
  prefill_ms: z.number(),
  decode_ms: z.number(),
});
const finishReason = z.enum(["stop", "length"]);

export const error = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.enum(["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"]),
      param: z.string().nullable(),
      code: z.string(),
    }),
  })
  .meta({ id: "Error" });
export const ollamaError = z.object({ error: z.string() }).meta({ id: "OllamaError" });
export const health = z.object({ status: z.enum(["ok", "loading", "draining", "failed"]) }).meta({ id: "Health" });

const model = z
  .object({ id: z.string(), object: z.literal("model"), created: count, owned_by: z.string() })
  .meta({ id: "Model" });
export const models = z.object({ object: z.literal("list"), data: z.array(model) }).meta({ id: "Models" });
export { model };

const choice = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int().min(0).max(255)) });
export const chatCompletion = z
  .object({
    id: z.string(),
    object: z.literal("chat.completion"),
    created: count,
    model: z.string(),
    system_fingerprint: z.string(),
    choices: z.array(
      z.object({
        index: count,
        message: z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() }),
        logprobs: z
          .object({ content: z.array(choice.extend({ top_logprobs: z.array(choice) })), refusal: z.null() })
          .nullable(),
        finish_reason: finishReason,
      }),
    ),
    usage: z.object({
      prompt_tokens: count,
      completion_tokens: count,
      total_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count }),
      crops: count,
    }),
    timings,
  })
  .meta({ id: "ChatCompletion" });

export const response = z
  .looseObject({
    id: z.string(),
    object: z.literal("response"),
    created_at: count,
    status: z.enum(["completed", "incomplete"]),
    model: z.string(),
    output: z.array(
      z.looseObject({
        type: z.literal("message"),
        role: z.literal("assistant"),
        content: z.array(z.looseObject({ type: z.literal("output_text"), text: z.string() })),
      }),
    ),
    usage: z.looseObject({ input_tokens: count, output_tokens: count, total_tokens: count }),
    timings,
  })
  .meta({ id: "Response" });

export const score = z
  .object({
    object: z.literal("score"),
    model: z.string(),
    choices: z.array(
      z.object({
        index: count,
        text: z.string(),
        logprob: z.number(),
        logprob_per_token: z.number(),
        share: z.number().min(0).max(1),
        tokens: z.array(z.object({ token: z.string(), logprob: z.number() })),
      }),
    ),
    usage: z.object({ prompt_tokens: count, crops: count }),
  })
  .meta({ id: "Score" });

const ollamaEnd = {
  model: z.string(),
  created_at: z.string(),
  done: z.literal(true),
  done_reason: z.string(),
};
export const ollamaChat = z
  .looseObject({ ...ollamaEnd, message: z.object({ role: z.literal("assistant"), content: z.string() }) })
  .meta({ id: "OllamaChat" });
export const ollamaGenerate = z.looseObject({ ...ollamaEnd, response: z.string() }).meta({ id: "OllamaGenerate" });
export const ollamaModels = z
  .object({ models: z.array(z.looseObject({ name: z.string(), model: z.string(), size: count })) })
  .meta({ id: "OllamaModels" });
export const ollamaShow = z
  .looseObject({ capabilities: z.array(z.string()), model_info: z.record(z.string(), z.unknown()) })
  .meta({ id: "OllamaShow" });
export const ollamaVersion = z.object({ version: z.string() }).meta({ id: "OllamaVersion" });
