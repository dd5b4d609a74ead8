// Cases that a seed and a number give, one after another: what the commands of this folder that mutate input have in common.
import { parseArgs } from "node:util";
import { generator } from "./random.mjs";

/** The choices of a case. */
export class Draw {
  constructor(seed) {
    this.random = generator(seed);
  }
  /** An integer below n. */
  below(n) {
    return Math.floor(this.random() * n);
  }
  pick(list) {
    return list[this.below(list.length)];
  }
  /** True once in n times. */
  oneIn(n) {
    return this.below(n) === 0;
  }
  list(most, make) {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

/**
 * The options of every command: --seed; --from, the number of the first case; --count or --minutes, after which it ends. A case depends on the seed
 * and its own number alone.
 */
export function caseOptions(count, more = {}) {
  const options = {
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    count: { type: "string" },
    minutes: { type: "string" },
    ...more,
  };
  const { values } = parseArgs({ options });
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  return {
    ...values,
    seed: Number(values.seed),
    from: Number(values.from),
    count: Number(values.count ?? (minutes === undefined ? count : Number.MAX_SAFE_INTEGER)),
    until: performance.now() + (minutes ?? Number.POSITIVE_INFINITY) * 60_000,
  };
}

const maxFailures = 20;

/**
 * Runs case after case; `one(draw, number)` throws where something is wrong. Prints each such case, what `told()` says of all, and last "N passed, N failed";
 * the exit code is 1 if any failed.
 */
export async function runCases({ seed, from, count, until }, one, told = () => "") {
  let passed = 0;
  let failed = 0;
  let number = from;
  for (; number < from + count && performance.now() < until && failed < maxFailures; number++) {
    try {
      await one(new Draw(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b)), number);
      passed++;
    } catch (error) {
      failed++;
      console.log(`case ${number} (--seed ${seed} --from ${number} --count 1): ${error.stack}`);
    }
  }
  if (failed === maxFailures) console.log(`given up after ${failed} failures`);
  const line = told();
  if (line) console.log(line);
  console.log(`seed ${seed}, cases ${from} to ${number - 1}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Throws unless `ok`. */
export function demand(ok, what) {
  if (!ok) throw new Error(typeof what === "function" ? what() : what);
}

/** Returns what `work` returns, or undefined when it ends with a UserError whose message is a sentence (`endings`); anything else is thrown. */
export async function survive(UserError, work, endings = /\.$/) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    demand(endings.test(error.message), () => `no sentence: ${error.message}`);
    return undefined;
  }
}

/** Stands for a value that is nested more deeply than recursion goes. */
const deepMark = "(a deep value)";

/** Values that programs forget. */
export const strange = [
  null,
  true,
  -1,
  0,
  1,
  1.5,
  1e308,
  2 ** 53,
  2 ** 31,
  2 ** 32 - 1,
  "",
  "x",
  "../../outside/secret",
  "/etc/passwd",
  "\u0000",
  "\u001b[2J",
  "\ud800",
  "a".repeat(64),
  "a".repeat(100_000),
  [],
  {},
  [[]],
  [null],
  { __proto__: null, sha256: ".." },
  JSON.parse('{"__proto__": {"x": 1}}'),
  Array(5000).fill(0),
  "1".repeat(400),
  deepMark,
];
const fresh = (value) => (typeof value === "object" ? structuredClone(value) : value);

/** Replaces, removes or repeats a random place of a JSON value. Returns the value. */
export function mutateValue(draw, value, values = strange) {
  const places = [];
  const walk = (at, depth) => {
    if (typeof at !== "object" || at === null || depth > 50) return;
    const keys = Object.keys(at);
    for (const key of keys.length > 200 ? draw.list(20, () => draw.pick(keys)) : keys) {
      places.push([at, key]);
      walk(at[key], depth + 1);
    }
  };
  walk(value, 0);
  if (places.length === 0) return fresh(draw.pick(values));
  const [at, key] = draw.pick(places);
  const how = draw.below(6);
  if (how === 0) delete at[key];
  else if (how === 1) at[key] = [at[key], at[key]];
  else if (how === 2) {
    const [from, other] = draw.pick(places);
    at[key] = fresh(from[other]);
  } else at[key] = fresh(draw.pick(values));
  return value;
}

/** The text of a JSON value after some mutations, which may leave any depth and, with `broken`, no JSON at all. `value` is changed, too. */
export function mutateJson(draw, value, values = strange, broken = true) {
  let mutated = value;
  for (let i = draw.below(3); i >= 0; i--) mutated = mutateValue(draw, mutated, values);
  const text = JSON.stringify(mutated).replaceAll(`"${deepMark}"`, () => "[".repeat(20_000) + "]".repeat(20_000));
  return broken && draw.oneIn(8) ? mutateBytes(draw, Buffer.from(text)).toString() : text;
}

/** Cuts bytes, puts others between, or changes some. */
export function mutateBytes(draw, bytes) {
  const out = Buffer.from(bytes);
  const how = draw.below(4);
  if (how === 0 || out.length === 0) return out.subarray(0, draw.below(out.length + 1));
  if (how === 1)
    return Buffer.concat([
      out.subarray(0, draw.below(out.length)),
      Buffer.from(draw.pick(["[", "{", '"', "9".repeat(30), "\xff", "[".repeat(50_000)]), "latin1"),
      out.subarray(draw.below(out.length)),
    ]);
  for (let i = 0; i <= draw.below(8); i++) out[draw.below(out.length)] = draw.below(256);
  return out;
}

/** Counts by name, and the line that tells them. */
export class Counts {
  #counts = new Map();
  add(name) {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
  told(separator = ", ") {
    return [...this.#counts].map(([name, n]) => `${name}: ${n}`).join(separator);
  }
}
