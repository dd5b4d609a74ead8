import type { AnswerEvent, AnswerTimings, AnswerUsage, WireToken } from "../worker/protocol.js";

export type AnswerEnd = Extract<AnswerEvent, { type: "end" }>;

/** A whole answer. */
export interface Collected {
  text: string;
  tokens: WireToken[];
  end: AnswerEnd;
}

/** Reads `n` answers to their ends. */
export async function collect(events: AsyncIterable<AnswerEvent>, n: number): Promise<Collected[]> {
  const texts = Array.from({ length: n }, () => "");
  const tokens = Array.from({ length: n }, (): WireToken[] => []);
  const ends: AnswerEnd[] = [];
  for await (const event of events) {
    if (event.type === "end") ends[event.choice] = event;
    else if (event.type === "piece") {
      texts[event.choice] += event.text;
      if (event.token) tokens[event.choice]?.push(event.token);
    }
  }
  return texts.map((text, i) => ({ text, tokens: tokens[i] as WireToken[], end: ends[i] as AnswerEnd }));
}

/** Adds up the tokens of all answers to one request: the prompt counts once. */
export function totalUsage(ends: readonly AnswerEnd[]): AnswerUsage {
  const [first] = ends;
  return {
    promptTokens: first?.usage.promptTokens ?? 0,
    cachedTokens: first?.usage.cachedTokens ?? 0,
    crops: first?.usage.crops ?? 0,
    completionTokens: ends.reduce((sum, { usage }) => sum + usage.completionTokens, 0),
  };
}

const milliseconds = (value: number): number => Math.round(value * 1000) / 1000;

/** Milliseconds of each stage, as answers have them. */
export function timingsOf({ preprocessMs, visionMs, prefillMs, decodeMs }: AnswerTimings): Record<string, number> {
  return {
    preprocess_ms: milliseconds(preprocessMs),
    vision_ms: milliseconds(visionMs),
    prefill_ms: milliseconds(prefillMs),
    decode_ms: milliseconds(decodeMs),
  };
}
