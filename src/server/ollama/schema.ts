/** The bodies of Ollama's API (https://github.com/ollama/ollama/blob/main/docs/api.md). */
import { z } from "zod";

const model = z.string().nullish();
const stop = z.union([z.string(), z.array(z.string()).max(16)]).nullish();
const fraction = z.number().min(0).max(1).nullish();
const options = z
  .object({
    num_predict: z.int().min(-2).nullish(),
    temperature: z.number().min(0).max(100).nullish(),
    top_k: z
      .int()
      .min(0)
      .max(1 << 24)
      .nullish(),
    top_p: fraction,
    min_p: fraction,
    repeat_penalty: z.number().min(0.01).max(100).nullish(),
    presence_penalty: z.number().min(-2).max(2).nullish(),
    frequency_penalty: z.number().min(-2).max(2).nullish(),
    seed: z.int().nullish(),
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
