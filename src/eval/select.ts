import type { Question } from "./question.js";

/** Chooses whole units of questions: all, or the first `limit`, in the data's order or shuffled by a seed. */
export function selectQuestions(
  questions: readonly Question[],
  { limit = Number.POSITIVE_INFINITY, seed }: { limit?: number | undefined; seed?: number | undefined },
): Question[] {
  const units = new Map<string, Question[]>();
  for (const question of questions) {
    const unit = unitOf(question);
    const members = units.get(unit);
    if (members) members.push(question);
    else units.set(unit, [question]);
  }
  const order = [...units.values()];
  if (seed !== undefined) shuffle(order, seed);
  return order.slice(0, limit).flat();
}

export const unitOf = (question: Question): string => question.unit ?? question.id;

/** Shuffles in place (Fisher and Yates), the same way for the same seed on every machine. */
function shuffle(items: unknown[], seed: number): void {
  let state = seed >>> 0;
  const random = (): number => {
    // mulberry32: 32 bits of state are enough to choose an order of questions.
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
}
