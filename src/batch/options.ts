/** Options of an answer that a row brings, by the names that OpenAI's API and owl3's JSON give them. */
import type { AskOptions } from "../chat/options.js";
import { UsageError } from "../errors.js";

type Values = Readonly<Record<string, unknown>>;

const numbers: Record<string, keyof AskOptions> = {
  max_tokens: "maxTokens",
  max_completion_tokens: "maxTokens",
  temperature: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  repetition_penalty: "repetitionPenalty",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  seed: "seed",
};

/** Names of options, also of those that take no number. */
export const optionNames: readonly string[] = [...Object.keys(numbers), "stop"];

/** Reads the options among a row's values; null and what is absent leave the run's own. Throws UsageError. */
export function rowOptions(values: Values): AskOptions {
  const options: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(numbers)) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined || value === null) continue;
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isFinite(number))
      throw new UsageError(`"${name}" must be a number, not ${JSON.stringify(value).slice(0, 60)}.`);
    if (key === "maxTokens" && !(Number.isSafeInteger(number) && number >= 1))
      throw new UsageError(`"${name}" must be an integer of at least 1.`);
    options[key] = number;
  }
  const stop = Object.hasOwn(values, "stop") ? values.stop : undefined;
  if (stop !== undefined && stop !== null) {
    const texts = typeof stop === "string" ? [stop] : stop;
    if (!Array.isArray(texts) || texts.some((text) => typeof text !== "string" || text === ""))
      throw new UsageError('"stop" must be a text or a list of texts.');
    options.stop = texts;
  }
  return options as AskOptions;
}
