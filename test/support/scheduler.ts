// Prompts for a scheduler over the engine of fake.ts, and what each gets alone.
import type { VisibleCrop } from "../../src/decode/prefix.js";
import type { Sequence } from "../../src/decode/sequence.js";
import type { NativeSampler } from "../../src/native/session.js";
import { type Fake, fakeEngine, fakeScheduler } from "./fake.js";

export const ids = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));
export const prompt = (text: string, crops: VisibleCrop[] = []) => ({ ids: ids(text), crops });
export const sampler = (fake: Fake): NativeSampler => fake.binding.createSampler({ logprobs: 0 } as never);

/** A crop of pixels that sum up to 4 * value, visible from `offset` on. */
export const crop = (offset: number, value: number): VisibleCrop => ({
  offset,
  key: String(value),
  embeds: { crops: 1, bytes: 4, toFloat32: () => Float32Array.of(value), dispose: () => {} },
  crop: 0,
});

/** Pulls n tokens; returns what the sequence then says after its prompt. */
export async function pull(fake: Fake, sequence: Sequence, n: number): Promise<string> {
  const start = sequence.ids.length;
  for (let i = 0; i < n; i++) await sequence.next({ sampler: sampler(fake) });
  return String.fromCharCode(...sequence.ids.slice(start));
}
/** The answer that a prompt gets when it is alone. */
export async function alone(text: string, n: number, crops: VisibleCrop[] = []): Promise<string> {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  return await pull(fake, await scheduler.open(prompt(text, crops), 0), n);
}
export const rows = (fake: Fake): number[][] => fake.passes.map((parts) => parts.map((part) => part.rows));
export const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
