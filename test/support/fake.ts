import { Owl } from "../../src/chat/owl.js";
import { type Preview, type PreviewOptions, preview } from "../../src/chat/preview.js";
import type { PromptTokenizer } from "../../src/chat/prompt-tokenizer.js";
import { Admission } from "../../src/decode/admission.js";
import { Scheduler } from "../../src/decode/scheduler.js";
import type { Binding } from "../../src/native/binding.js";
import type { GgufMetadata } from "../../src/native/gguf.js";
import type { MemoryPlan, NativeModel, Work } from "../../src/native/model.js";
import type {
  Advanced,
  AdvancePart,
  MediaSlot,
  NativeEmbeds,
  NativeSession,
  SampledToken,
} from "../../src/native/session.js";
import { Turns } from "../../src/native/turns.js";
import type { InputMessage } from "../../src/prompt/messages.js";
import { defaultStyle } from "../../src/prompt/style.js";
import type { ChatMedia, LoadMedia } from "../../src/vision/chat-media.js";

/**
 * An engine made of arithmetic, to test what is above it: a token is a character code, the next token depends on all ids before it and the
 * crops in sight, and every call is noted.
 */
export const vocabulary = 128;
export const eos = 3;

export interface Fake {
  binding: Binding;
  calls: string[];
  sessions: Set<unknown>;
  embeds: Set<unknown>;
  /** The pixels of media that are open. */
  opened: Set<unknown>;
  /** Overrides what the model says next. */
  script: ((ids: readonly number[]) => number | undefined) | undefined;
  planTotal: number;
  /** The work of every memory plan that was asked for. */
  works: Work[];
  /** Rows and new crops of each part of every pass that was asked for, by sequence. */
  passes: { sequence: number; rows: number; crops: number }[][];
  /** Called within each pass, to interfere or to fail. */
  onPass: ((parts: readonly AdvancePart[]) => void | Promise<void>) | undefined;
  /** Called within each call of the vision tower. */
  onEncode: ((crops: number) => void | Promise<void>) | undefined;
  /** Log-probabilities for beam search. */
  scores: ((ids: readonly number[]) => { id: number; logprob: number }[]) | undefined;
}

interface Held {
  ids: number[];
  slots: MediaSlot[];
}

export function fakeEngine(): Fake {
  const fake: Fake = {
    calls: [],
    sessions: new Set(),
    embeds: new Set(),
    opened: new Set(),
    script: undefined,
    planTotal: 1000,
    works: [],
    passes: [],
    onPass: undefined,
    onEncode: undefined,
    scores: undefined,
    binding: undefined as never,
  };
  const next = ({ ids, slots }: Held): number => {
    const scripted = fake.script?.(ids);
    if (scripted !== undefined) return scripted;
    let hash = 7;
    for (const id of ids) hash = (hash * 31 + id) % 1_000_003;
    for (const slot of slots) hash = (hash * 37 + slot.offset * 5 + contentOf(slot)) % 1_000_003;
    return 97 + (hash % 26);
  };
  const session = ({ contextLength, prefillChunk, pages = 1e9 }: SessionOptions): NativeSession => {
    const sequences = new Map<number, Held>();
    let count = 0;
    let busy = false;
    const use = (): void => {
      if (busy) throw new Error("a call on this session is still running: await it first");
    };
    const at = (sequence: number): Held => {
      use();
      const held = sequences.get(sequence);
      if (!held) throw new Error(`no sequence ${sequence}`);
      return held;
    };
    const check = (parts: readonly AdvancePart[]): void => {
      const rows = parts.reduce((sum, { ids }) => sum + ids.length, 0);
      if (rows > prefillChunk) throw new Error(`${rows} rows`);
      if (new Set(parts.map(({ sequence }) => sequence)).size < parts.length) throw new Error("named twice");
      const lengths = new Map([...sequences].map(([sequence, { ids }]) => [sequence, ids.length]));
      for (const { sequence, ids, media = [] } of parts) {
        const from = at(sequence).ids.length;
        const to = from + ids.length;
        lengths.set(sequence, to);
        if (ids.length === 0) throw new Error("nothing to append");
        if (media.some(({ offset }) => offset < from || offset >= to)) throw new Error("bad slot");
        if (to > contextLength) throw new Error("past the context");
      }
      const wanted = [...lengths.values()].reduce((sum, length) => sum + Math.ceil(length / pagePositions), 0);
      if (wanted > pages) throw Object.assign(new Error(`${wanted} of ${pages} pages`), { code: "out_of_memory" });
    };
    const append = ({
      sequence,
      ids,
      media = [],
      sampler,
      drafted = 0,
      top,
      logits,
      targets,
    }: AdvancePart): Advanced => {
      const held = at(sequence);
      const guesses = [...ids.slice(ids.length - drafted)];
      held.ids.push(...ids.slice(0, ids.length - drafted));
      held.slots.push(...media);
      const drawn: SampledToken[] = [];
      while (sampler) {
        const id = next(held);
        drawn.push({
          id,
          logprob: -0.5,
          top: [{ id, logprob: -0.5 }].slice(0, (sampler as unknown as { k: number }).k),
          begun: false,
        });
        if (guesses.length === 0 || guesses.shift() !== id) break;
        held.ids.push(id);
      }
      return {
        drawn,
        top: top === undefined ? [] : (fake.scores?.(held.ids) ?? []).slice(0, top),
        ...(logits && { logits: new Float32Array(vocabulary) }),
        ...(targets && {
          scores: Float32Array.from(
            targets.flatMap((row, i) => {
              const before = held.ids.slice(0, held.ids.length - targets.length + i + 1);
              return Array.from(row, (id) => fakeLogprob(before, id));
            }),
          ),
        }),
      };
    };
    const self: NativeSession = {
      create: () => {
        use();
        sequences.set(count, { ids: [], slots: [] });
        return count++;
      },
      fork: (sequence) => {
        sequences.set(count, structuredCloneHeld(at(sequence)));
        return count++;
      },
      remove: (sequence) => {
        at(sequence);
        sequences.delete(sequence);
      },
      length: (sequence) => at(sequence).ids.length,
      truncate: (sequence, length) => {
        fake.calls.push(`truncate ${length}`);
        at(sequence).ids.length = length;
        at(sequence).slots = at(sequence).slots.filter((slot) => slot.offset < length);
      },
      advance: async (parts) => {
        check(parts);
        for (const { sequence, ids, media = [] } of parts)
          if (ids.length > 1)
            fake.calls.push(`prefill ${ids.length} at ${at(sequence).ids.length} with ${media.length}`);
        fake.passes.push(
          parts.map(({ sequence, ids, media = [] }) => ({ sequence, rows: ids.length, crops: media.length })),
        );
        busy = true;
        try {
          await fake.onPass?.(parts);
        } finally {
          busy = false;
        }
        return parts.map(append);
      },
      get pagesInUse() {
        use();
        return [...sequences.values()].reduce((sum, { ids }) => sum + Math.ceil(ids.length / pagePositions), 0);
      },
      get bytes() {
        return self.pagesInUse * pagePositions;
      },
      dispose: () => {
        fake.sessions.delete(self);
      },
    };
    fake.sessions.add(self);
    return Object.assign(self, { count: () => sequences.size });
  };
  const plan = (work: Work): MemoryPlan => {
    fake.works.push(work);
    const part = { weights: 10, kvCache: 1, visualKv: 1, embeds: 1, scratch: 1, total: fake.planTotal };
    return { ...part, devices: [{ ...part, device: "fake", name: "fake", layers: 1, freeMemory: 0, heldScratch: 0 }] };
  };
  fake.binding = {
    readGguf: async (path: string) => ({ path, version: 3, fileBytes: 1, metadata, types: {}, tensors: [] }),
    planModel: async (_path: string, _options: unknown, work: Work) => plan(work),
    createLoading: () => ({ bytes: 0, total: 0 }),
    openModel: async () => ({
      config: { contextLength: 32768, cropSize: 2, vocabSize: vocabulary, cropTokens: 1, hiddenSize: 1 },
      metadata: {},
      backend: "fake",
      weightBytes: 10,
      mappedBytes: 0,
      tokenBytes: 10,
      defaultKvType: "f32",
      plan,
      encodedShare: 0,
      encode: async (crops: Uint8Array, n: number) => {
        fake.calls.push(`encode ${n}`);
        await fake.onEncode?.(n);
        const size = crops.length / n;
        const embeds: NativeEmbeds = {
          crops: n,
          bytes: 4 * n,
          toFloat32: () =>
            Float32Array.from({ length: n }, (_, i) =>
              crops.subarray(i * size, (i + 1) * size).reduce((a, b) => a + b, 0),
            ),
          dispose: () => {
            fake.embeds.delete(embeds);
          },
        };
        fake.embeds.add(embeds);
        return embeds;
      },
      createSession: session,
      kvBytes: () => ({ page: pagePositions, pagePositions, crop: 1 }),
      dispose: () => fake.calls.push("dispose"),
    }),
    createSampler: ({ logprobs }: { logprobs: number }) => ({ k: logprobs, reset: () => {} }),
  } as unknown as Binding;
  return fake;
}

/** The log-probability that the fake engine gives for `id` after `ids`; a float32. */
export function fakeLogprob(ids: readonly number[], id: number): number {
  let hash = 11;
  for (const each of [...ids, id]) hash = (hash * 31 + each) % 1_000_003;
  return Math.fround(-(hash % 1000) / 100);
}

/** A scheduler over the fake engine, and its session, which tells how many sequences there are. */
export async function fakeScheduler(
  fake: Fake,
  { memory = 1e6, turns = new Turns() }: { memory?: number; turns?: Turns } = {},
) {
  const model = await fake.binding.openModel("", {});
  const admission = new Admission(() => memory);
  const scheduler = new Scheduler({ model, kvType: "f32", turns, admission });
  return { model, scheduler, session: [...fake.sessions].at(-1) as NativeSession & { count(): number } };
}

type SessionOptions = Parameters<NativeModel["createSession"]>[0];
/** Positions of a page, and its bytes: one a position. */
const pagePositions = 64;

/** The sum of a crop's pixels. */
function contentOf({ embeds, crop }: MediaSlot): number {
  return embeds.toFloat32()[crop] as number;
}

function structuredCloneHeld({ ids, slots }: Held): Held {
  return { ids: [...ids], slots: [...slots] };
}

/** The header of the fake model's file: as long a context and as large crops as its config says. */
const metadata: GgufMetadata = {
  "general.architecture": "mplugowl3",
  "mplugowl3.context_length": 32768,
  "mplugowl3.embedding_length": 8,
  "mplugowl3.feed_forward_length": 8,
  "mplugowl3.block_count": 1,
  "mplugowl3.attention.head_count": 1,
  "mplugowl3.attention.head_count_kv": 1,
  "mplugowl3.hyper_attention.blocks": [0],
  "mplugowl3.vision.image_size": 2,
  "mplugowl3.vision.patch_size": 1,
  "mplugowl3.vision.block_count": 1,
  "mplugowl3.vision.embedding_length": 8,
  "mplugowl3.vision.feed_forward_length": 8,
  "mplugowl3.vision.attention.head_count": 1,
  "tokenizer.ggml.tokens": [],
  "tokenizer.ggml.token_type": [],
  "tokenizer.ggml.merges": [],
  "tokenizer.ggml.eos_token_id": eos,
};

/** Characters as tokens; a picture is `#`. */
const tokenizer: PromptTokenizer = {
  eosIds: new Set([eos]),
  tokenBytes: () => ({ bytes: new Uint8Array(0), starts: new Int32Array(1) }),
  style: defaultStyle,
  render: (messages) => {
    let prompt = "";
    const mediaOffset: number[] = [];
    for (const { role, content, ids } of messages) {
      prompt += role === "assistant" ? "A:" : role === "system" ? "S:" : "\nU:";
      if (ids) prompt += String.fromCharCode(...ids);
      else if (typeof content === "string") prompt += content;
      else
        for (const part of content) {
          if (part.type === "text") prompt += part.text;
          else {
            mediaOffset.push(prompt.length, prompt.length + 1);
            prompt += "##";
          }
        }
      prompt += "|";
    }
    prompt += "A:";
    return { prompt, mediaOffset, ids: Array.from(prompt, (c) => c.charCodeAt(0)) };
  },
  encode: (text) => Array.from(text, (c) => c.charCodeAt(0)),
  stream: () => ({ push: (id) => String.fromCharCode(id), end: () => "" }),
  text: (id) => String.fromCharCode(id),
  bytes: (id) => Uint8Array.of(id),
};

/** Each picture gives two crops whose pixels are made of its path. */
const mediaOf =
  (fake: Fake): LoadMedia =>
  async (part): Promise<ChatMedia> => {
    const path = "path" in part ? part.path : "data";
    if (path.startsWith("missing")) throw new Error(`${path} is missing`);
    fake.calls.push(`load ${path}`);
    const pixels = {
      async *crops() {
        for (let i = 0; i < 2; i++) yield new Uint8Array(12).fill(path.charCodeAt(0));
      },
      close: async () => {
        fake.opened.delete(pixels);
      },
    };
    fake.opened.add(pixels);
    return { type: "image", grid: [1, 1], report: { path, width: 1, height: 1, grid: [1, 1], crops: 2 }, pixels };
  };

/** A model over the fake engine. */
export function openFake(fake: Fake, loadMedia = mediaOf(fake)): Promise<Owl> {
  return Owl.openWith(fake.binding, import.meta.filename, {}, { tokenizer, loadMedia });
}

/** Previews a run over the fake engine. */
export function previewFake(fake: Fake, messages: InputMessage[], options: PreviewOptions = {}): Promise<Preview> {
  return preview(fake.binding, "fake.gguf", messages, options, { tokenizer, loadMedia: mediaOf(fake) });
}
