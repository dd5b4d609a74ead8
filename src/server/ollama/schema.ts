/** The bodies of Ollama's API (https://github.com/ollama/ollama/blob/main/docs/api.md). */
import { z } from "zod";
import { penalty, sampling, stop } from "../openai/schema.js";

const model = z.string().nullish();
const options = z
  .object({
    num_predict: z.int().min(-2).nullish(),
    temperature: sampling.temperature,
    top_k: sampling.top_k,
    top_p: sampling.top_p,
    min_p: sampling.min_p,
    repeat_penalty: sampling.repetition_penalty,
    presence_penalty: penalty,
    frequency_penalty: penalty,
    seed: sampling.seed,
    stop,
  })
  .nullish();
const images = z.array(z.string().min(1)).nullish().meta({ description: "Pictures as base64." });
const shared = {
  model,
  options,
  stream: z.boolean().nullish(),
  format: z.unknown().optional(),
  tools: z.array(z.unknown()).nullish(),
  keep_alive: z.unknown().optional(),
};

export const chatRequest = z
  .object({
    ...shared,
    messages: z
      .array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string().nullish(), images }))
      .min(1)
      .max(10_000),
  })
  .meta({ id: "OllamaChatRequest" });

export const generateRequest = z
  .object({
    ...shared,
    prompt: z.string().nullish(),
    suffix: z.string().nullish(),
    system: z.string().nullish(),
    images,
    raw: z.boolean().nullish(),
    context: z.unknown().optional(),
    template: z.string().nullish(),
  })
  .meta({ id: "OllamaGenerateRequest" });

export const showRequest = z.object({ model, name: z.string().nullish() }).meta({ id: "OllamaShowRequest" });

export type OllamaOptions = z.output<typeof options>;
export type OllamaChatRequest = z.output<typeof chatRequest>;
export type OllamaGenerateRequest = z.output<typeof generateRequest>;
