import type { AnswerEvent, EngineMemory } from "../worker/protocol.js";

const memoryGauges: readonly (readonly [name: string, help: string, of: (memory: EngineMemory) => number])[] = [
  [
    "kv_cache_usage_perc",
    "Keys and values in use, as a share of what answers may have; 1 is all.",
    ({ kv }) => share(kv),
  ],
  ["kv_cache_bytes", "Keys and values in use.", ({ kv }) => kv.bytes],
  ["kv_cache_pages", "Pages of keys and values of text in use.", ({ kv }) => kv.pages],
  [
    "kept_prefixes",
    "Prompts and answers that are over and kept for those that begin alike.",
    ({ kv }) => kv.kept.sequences,
  ],
  ["kept_prefixes_bytes", "Their keys and values, as if they shared none.", ({ kv }) => kv.kept.bytes],
  [
    "kept_prefixes_limit_bytes",
    "The bound of these; answers that need the memory take it before.",
    ({ kv }) => kv.kept.limit,
  ],
  ["crop_embeddings_bytes", "Embeddings of crops in memory.", ({ crops }) => crops.bytes],
  ["unused_crop_embeddings_bytes", "Those of them that no answer looks at.", ({ crops }) => crops.unused.bytes],
  ["unused_crop_embeddings_limit_bytes", "The bound of these.", ({ crops }) => crops.unused.limit],
  ["engine_resident_memory_bytes", "Memory of the engine's process.", ({ resident }) => resident],
];
const share = ({ bytes, limit }: { bytes: number; limit: number }): number => (limit > 0 ? bytes / limit : 0);

/** Counts for Prometheus, in its text format (https://prometheus.io/docs/instrumenting/exposition_formats/); the words are vLLM's. */
export class Metrics {
  readonly #all: { name: string; help: string; type: string; lines: () => string[] }[] = [];

  readonly firstToken = this.#histogram(
    "owl3:time_to_first_token_seconds",
    "From a request to its first token.",
    [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300],
  );
  readonly interToken = this.#histogram(
    "owl3:inter_token_latency_seconds",
    "From a token to the next of the same request.",
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5],
  );
  readonly #latency = this.#histogram(
    "owl3:e2e_request_latency_seconds",
    "From a request to the end of its answer.",
    [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600],
  );
  readonly #prompt = this.#counter("owl3:prompt_tokens_total", "Tokens of prompts.");
  readonly #cached = this.#counter("owl3:prefix_cache_hits_total", "Tokens of prompts that were computed before.");
  readonly #generated = this.#counter("owl3:generation_tokens_total", "Tokens of answers.");
  readonly #crops = this.#counter("owl3:crops_total", "Crops of pictures and videos that answers looked at.");
  readonly #vision = this.#counter(
    "owl3:vision_seconds_total",
    "Seconds in which answers waited for the vision tower.",
  );
  readonly #success = this.#counter("owl3:request_success_total", "Answers, by why they ended.", "finished_reason");
  readonly #responses = this.#counter("owl3:http_responses_total", "Responses, by status.", "status");

  answered({ usage, timings, finishReason }: Extract<AnswerEvent, { type: "end" }>, seconds: number): void {
    this.#latency.observe(seconds);
    this.#prompt(usage.promptTokens);
    this.#cached(usage.cachedTokens);
    this.#generated(usage.completionTokens);
    this.#crops(usage.crops);
    this.#vision(timings.visionMs / 1000);
    this.#success(1, finishReason);
  }

  response(status: number): void {
    this.#responses(1, String(status));
  }

  /** A value that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number): void {
    this.#all.push({ name, help, type: "gauge", lines: () => [`${name} ${read()}`] });
  }
  /** The memory of the engine, as it was a moment ago, and of this process. */
  memory(read: () => EngineMemory | undefined): void {
    for (const [name, help, of] of memoryGauges)
      this.gauge(`owl3:${name}`, help, () => {
        const memory = read();
        return memory ? of(memory) : 0;
      });
    this.gauge("owl3:server_resident_memory_bytes", "Memory of the process that speaks HTTP.", () =>
      process.memoryUsage.rss(),
    );
  }
  counterOf(name: string, help: string, read: () => number): void {
    this.#all.push({ name, help, type: "counter", lines: () => [`${name} ${read()}`] });
  }

  /** All of them as text. */
  text(): string {
    return this.#all
      .flatMap(({ name, help, type, lines }) => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines()])
      .concat("")
      .join("\n");
  }

  #counter(name: string, help: string, label?: string): (by: number, value?: string) => void {
    const counts = new Map<string, number>(label === undefined ? [["", 0]] : []);
    const lines = (): string[] =>
      [...counts].map(([value, count]) => `${name}${label === undefined ? "" : `{${label}="${value}"}`} ${count}`);
    this.#all.push({ name, help, type: "counter", lines });
    return (by, value = "") => counts.set(value, (counts.get(value) ?? 0) + by);
  }

  #histogram(name: string, help: string, bounds: readonly number[]): { observe(seconds: number): void } {
    const counts = bounds.map(() => 0);
    let sum = 0;
    let count = 0;
    const lines = (): string[] => [
      ...bounds.map((bound, i) => `${name}_bucket{le="${bound}"} ${counts[i]}`),
      `${name}_bucket{le="+Inf"} ${count}`,
      `${name}_sum ${sum}`,
      `${name}_count ${count}`,
    ];
    this.#all.push({ name, help, type: "histogram", lines });
    return {
      observe: (seconds) => {
        for (const [i, bound] of bounds.entries()) if (seconds <= bound) counts[i] = (counts[i] as number) + 1;
        sum += seconds;
        count++;
      },
    };
  }
}
