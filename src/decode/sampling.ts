import { randomInt } from "node:crypto";
import { kinds, type Shape } from "../check.js";
import { UsageError } from "../errors.js";
import type { GgufMetadata } from "../native/gguf.js";
import type { SamplerOptions } from "../native/session.js";

/** Options of sampling. Those that are absent come from the model file (its generation_config.json), then they are greedy decoding without penalties. */
export interface SamplingOptions {
  /** 0: greedy */
  temperature?: number | undefined;
  /** 0: off */
  topK?: number | undefined;
  /** 1: off */
  topP?: number | undefined;
  /** 0: off */
  minP?: number | undefined;
  /** Applies to prompt and answer, as in Hugging Face; 1: off */
  repetitionPenalty?: number | undefined;
  /** Both penalties apply to the answer, as in OpenAI's API; 0: off */
  presencePenalty?: number | undefined;
  frequencyPenalty?: number | undefined;
  /** The same seed gives the same answer; a random one is drawn when it is absent. */
  seed?: number | undefined;
  /** Number of alternatives to report with each token. */
  logprobs?: number | undefined;
}

export const samplingShape: Shape<SamplingOptions> = {
  ...{ temperature: kinds.number, topK: kinds.number, topP: kinds.number, minP: kinds.number },
  ...{ repetitionPenalty: kinds.number, presencePenalty: kinds.number, frequencyPenalty: kinds.number },
  ...{ seed: kinds.number, logprobs: kinds.number },
};

const ranges: Record<Exclude<keyof SamplingOptions, "seed">, [min: number, max: number]> = {
  temperature: [0, 100],
  topK: [0, 1 << 24],
  topP: [0, 1],
  minP: [0, 1],
  repetitionPenalty: [0.01, 100],
  presencePenalty: [-100, 100],
  frequencyPenalty: [-100, 100],
  logprobs: [0, 100],
};

/** Greedy decoding without penalties: what holds when neither the caller nor the file says otherwise. */
export const greedySampling: Readonly<SamplerOptions> = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 0,
  logprobs: 0,
};

/** Reads the sampling defaults of a model file. As in Hugging Face, a file that does not ask for sampling (do_sample) is greedy. */
export function samplingDefaults(metadata: GgufMetadata): SamplingOptions {
  const get = (key: string): number | undefined => {
    const value = metadata[`mplugowl3.generation.${key}`];
    return typeof value === "number" && Number.isFinite(value) ? value : undefined;
  };
  const sample = metadata["mplugowl3.generation.do_sample"] === true;
  return {
    temperature: sample ? (get("temperature") ?? 1) : 0,
    topK: get("top_k"),
    topP: get("top_p"),
    repetitionPenalty: get("repetition_penalty"),
  };
}

/** Completes the options of a sampler: first what was asked, then the defaults of the file, then greedy. Throws UsageError. */
export function resolveSampling(asked: SamplingOptions, defaults: SamplingOptions): SamplerOptions {
  const options: SamplerOptions = { ...greedySampling, seed: asked.seed ?? randomInt(0x1_0000_0000) };
  for (const key of Object.keys(ranges) as (keyof typeof ranges)[]) {
    const value = asked[key] ?? defaults[key] ?? greedySampling[key];
    const [min, max] = ranges[key];
    if (!(value >= min && value <= max)) throw new UsageError(`${key} is ${value}; it must be from ${min} to ${max}.`);
    options[key] = value;
  }
  if (!Number.isInteger(options.seed) || options.seed < 0 || options.seed > 0xffff_ffff)
    throw new UsageError(`seed is ${options.seed}; it must be an integer from 0 to 4294967295.`);
  if (!Number.isInteger(options.topK) || !Number.isInteger(options.logprobs))
    throw new UsageError("topK and logprobs must be integers.");
  return options;
}
