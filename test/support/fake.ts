import { Owl } from "../../src/chat/owl.js";
import { type Preview, type PreviewOptions, preview } from "../../src/chat/preview.js";
import type { PromptTools } from "../../src/chat/prompt-tools.js";
import type {
  Binding,
  GgufMetadata,
  MediaSlot,
  MemoryPlan,
  NativeEmbeds,
  NativeSession,
  Work,
} from "../../src/native/binding.js";
import type { InputMessage } from "../../src/prompt/messages.js";
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
  /** Called before each step, to interfere. */
  onStep: (() => void | Promise<void>) | undefined;
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
    onStep: undefined,
    scores: undefined,
    binding: undefined as never,
  };
  const next = ({ ids, slots }: Held): number => {
    const scripted = fake.script?.(ids);
    if (scripted !== undefined) return scripted;
    let hash = 7;
    for (const id of ids) hash = (hash * 31 + id) % 1_000_003;
    for (const slot of slots) hash = (hash * 37 + slot.offset * 5 + slot.crop + slot.embeds.bytes) % 1_000_003;
    return 97 + (hash % 26);
  };
  const session = (contextLength: number): NativeSession => {
    const sequences = new Map<number, Held>();
    let count = 0;
    const at = (sequence: number): Held => {
      const held = sequences.get(sequence);
      if (!held) throw new Error(`no sequence ${sequence}`);
      return held;
    };
    const self: NativeSession = {
      create: () => {
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
      prefill: async (sequence, ids, media) => {
        fake.calls.push(`prefill ${ids.length} at ${at(sequence).ids.length} with ${media.length}`);
        const held = at(sequence);
        for (const slot of media)
          if (slot.offset < held.ids.length || slot.offset >= held.ids.length + ids.length) throw new Error("bad slot");
        held.ids.push(...ids);
        held.slots.push(...media);
        if (held.ids.length > contextLength) throw new Error("past the context");
      },
      step: async (which, ids) => {
        await fake.onStep?.();
        for (const [i, sequence] of which.entries()) at(sequence).ids.push(ids[i] as number);
      },
      sample: async (sequence, sampler) => {
        const id = next(at(sequence));
        const k = (sampler as unknown as { k: number }).k;
        return { id, logprob: -0.5, top: [{ id, logprob: -0.5 }].slice(0, k) };
      },
      speculate: () => Promise.reject(new Error("the fake drafts nothing")),
      verify: async () => new Int32Array(),
      bytes: 0,
      logits: () => new Float32Array(vocabulary),
      topLogprobs: async (sequence, k) => (fake.scores?.(at(sequence).ids) ?? []).slice(0, k),
      dispose: () => {
        fake.sessions.delete(self);
      },
    };
    fake.sessions.add(self);
    return Object.assign(self, { count: () => sequences.size });
  };
  const plan = (work: Work): MemoryPlan => {
    fake.works.push(work);
    return { weights: 10, kvCache: 1, visualKv: 1, embeds: 1, scratch: 1, total: fake.planTotal };
  };
  fake.binding = {
    readGguf: async (path: string) => ({ path, version: 3, fileBytes: 1, metadata, types: {}, tensors: [] }),
    planModel: async (_path: string, _options: unknown, work: Work) => plan(work),
    openModel: async () => ({
      config: { contextLength: 32768, cropSize: 2, vocabSize: vocabulary },
      metadata: {},
      backend: "fake",
      weightBytes: 10,
      tokenBytes: 10,
      defaultKvType: "f32",
      plan,
      encode: async (crops: Uint8Array, n: number) => {
        fake.calls.push(`encode ${n}`);
        const embeds: NativeEmbeds = {
          crops: n,
          bytes: crops.reduce((a, b) => a + b, 0),
          toFloat32: () => new Float32Array(n),
          dispose: () => {
            fake.embeds.delete(embeds);
          },
        };
        fake.embeds.add(embeds);
        return embeds;
      },
      createSession: ({ contextLength }: { contextLength: number }) => session(contextLength),
      dispose: () => fake.calls.push("dispose"),
    }),
    createSampler: ({ logprobs }: { logprobs: number }) => ({ k: logprobs, reset: () => {} }),
  } as unknown as Binding;
  return fake;
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
const tools: PromptTools = {
  eosIds: new Set([eos]),
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
  stream: () => ({ push: (id) => String.fromCharCode(id), end: () => "" }),
  text: (id) => String.fromCharCode(id),
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
export function openFake(fake: Fake): Promise<Owl> {
  return Owl.openWith(fake.binding, import.meta.filename, {}, { tools, loadMedia: mediaOf(fake) });
}

/** Previews a run over the fake engine. */
export function previewFake(fake: Fake, messages: InputMessage[], options: PreviewOptions = {}): Promise<Preview> {
  return preview(fake.binding, "fake.gguf", messages, options, { tools, loadMedia: mediaOf(fake) });
}
