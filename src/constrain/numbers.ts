import type { Budget } from "./budget.js";
import { type Dfa, type Edge, intersect, ofTexts, trim } from "./dfa.js";
import { compilePattern } from "./pattern.js";

/** A limit of numbers. */
export interface Bound {
  value: number;
  exclusive: boolean;
}
export interface NumberForm {
  /** "integer": without a fraction; "fraction": with one that is not 0. */
  kind: "any" | "integer" | "fraction";
  min?: Bound | undefined;
  max?: Bound | undefined;
  multiples: readonly number[];
  /** Only with kind "integer". */
  notMultiples: readonly number[];
}

/** Integers have no more digits, so that a reader's floating-point number is finite. */
const maxDigits = 40;
/** Numbers with a fraction have no more digits where there are limits: up to there, the nearest floating-point numbers are in the same order. */
const exactDigits = 15;
/** The remainder of a division is a part of a state. */
const maxDivisor = 20_000;

/** Why numbers of a form can't be written down. */
export class NumberError extends Error {}

/** Whether a number is of a form. */
export function isOfForm(x: number, { kind, min, max, multiples, notMultiples }: NumberForm): boolean {
  if (kind !== "any" && Number.isInteger(x) !== (kind === "integer")) return false;
  if (min && (min.exclusive ? x <= min.value : x < min.value)) return false;
  if (max && (max.exclusive ? x >= max.value : x > max.value)) return false;
  return multiples.every((m) => isMultiple(x, m)) && !notMultiples.some((m) => isMultiple(x, m));
}

function isMultiple(x: number, of: number): boolean {
  const scale = Math.max(decimal(x).fraction.length, decimal(of).fraction.length);
  return scaled(x, scale) % scaled(of, scale) === 0n;
}

/** The JSON texts of the numbers of a form. Throws NumberError or TooLarge. */
export function numberDfa({ kind, min, max, multiples, notMultiples }: NumberForm, budget: Budget): Dfa {
  const regex = (source: string): Dfa => compilePattern(source, false, budget).dfa;
  const bounds = [min, max].filter((b) => b !== undefined);
  for (const { value, exclusive } of bounds)
    if (exclusive && Math.abs(value) > Number.MAX_SAFE_INTEGER)
      throw new NumberError(`${value} is too large for an exclusive limit`);
  const whole = Math.min(exactDigits - 1, Math.max(6, ...bounds.map(({ value }) => decimal(value).whole.length)));
  const digits = exactDigits - whole;
  const integer = `0|-?[1-9]\\d{0,${maxDigits - 1}}`;
  let dfa: Dfa;
  if (kind === "integer") dfa = regex(integer);
  else if (kind === "fraction") dfa = regex(`-?(?:0|[1-9]\\d{0,${whole - 1}})\\.\\d{0,${digits - 1}}[1-9]`);
  else if (bounds.length > 0 || multiples.length > 0)
    dfa = regex(`${integer}|-?(?:0|[1-9]\\d{0,${whole - 1}})\\.\\d{1,${digits}}`);
  else dfa = regex(`(?:${integer}|-?(?:0|[1-9]\\d{0,${maxDigits - 1}})\\.\\d{1,${maxDigits}})(?:[eE][+-]?\\d{1,2})?`);
  if (min && Math.abs(min.value) < 1e38) dfa = intersect(dfa, regex(atLeast(min, digits)), budget);
  if (max && Math.abs(max.value) < 1e38) dfa = intersect(dfa, regex(atMost(max, digits)), budget);
  if ((min && min.value >= 1e38) || (max && max.value <= -1e38)) throw new NumberError("its limits are too large");
  for (const m of multiples) dfa = intersect(dfa, multiplesDfa(m, false, budget), budget);
  for (const m of notMultiples) dfa = intersect(dfa, multiplesDfa(m, true, budget), budget);
  return dfa;
}

/** The texts of given numbers. */
export function numbersDfa(values: readonly number[], budget: Budget): Dfa {
  return ofTexts(values.map(textOf), budget);
}

function textOf(value: number): string {
  return JSON.stringify(value);
}

interface Decimal {
  negative: boolean;
  /** Digits before the point, without leading zeros but for a single 0. */
  whole: string;
  /** Digits after the point, without trailing zeros. */
  fraction: string;
}

function decimal(value: number): Decimal {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) as RegExpExecArray;
  const [, sign, digits = "", after = "", exponent = "0"] = match;
  const all = digits + after;
  const point = digits.length + Number(exponent);
  const padded = point <= 0 ? "0".repeat(1 - point) + all : all.padEnd(point, "0");
  const at = Math.max(point, 1);
  return {
    negative: sign === "-",
    whole: padded.slice(0, at).replace(/^0+(?=\d)/, ""),
    fraction: padded.slice(at).replace(/0+$/, ""),
  };
}

function scaled(value: number, digits: number): bigint {
  const { negative, whole, fraction } = decimal(value);
  const n = BigInt(whole + fraction.padEnd(digits, "0"));
  return negative ? -n : n;
}

/** Regular expressions of the numbers on one side of a limit; those of texts that are no numbers don't matter. `digits`: after the point, at most. */
function atLeast({ value, exclusive }: Bound, digits: number): string {
  const d = decimal(value);
  return d.negative ? `-(?:${below(d, exclusive, digits)})|\\d.*` : above(d, exclusive, digits);
}
function atMost({ value, exclusive }: Bound, digits: number): string {
  const d = decimal(value);
  if (d.negative) return `-(?:${above(d, exclusive, digits)})`;
  const zero = d.whole === "0" && d.fraction === "";
  // Minus zero is no less than zero.
  const negative = zero && exclusive ? `-(?:${above(d, true, digits)})` : "-.*";
  const rest = zero && exclusive ? "" : `|${below(d, exclusive, digits)}`;
  return negative + rest;
}

const anyFraction = (digits: number): string => `(?:\\.\\d{1,${digits}})?`;

/** Numbers without a sign that are at least, or above, a limit that is not negative. */
function above({ whole, fraction }: Decimal, exclusive: boolean, digits: number): string {
  const next = String(BigInt(whole) + 1n);
  const larger = `(?:${integers(next, undefined)})${anyFraction(digits)}`;
  return `${whole}${fractionAbove(fraction, exclusive, digits)}|${larger}`;
}

/** Numbers without a sign that are at most, or below, a limit that is not negative. */
function below({ whole, fraction }: Decimal, exclusive: boolean, digits: number): string {
  const out: string[] = [];
  if (whole !== "0") out.push(`(?:${integers("0", String(BigInt(whole) - 1n))})${anyFraction(digits)}`);
  const same = fractionBelow(fraction, exclusive, digits);
  if (same !== undefined) out.push(whole + same);
  return out.length > 0 ? out.join("|") : "(?!)[^]";
}

function fractionAbove(f: string, exclusive: boolean, digits: number): string {
  if (f === "" && !exclusive) return anyFraction(digits);
  const parts: string[] = [];
  for (let i = 0; i < f.length && i < digits; i++) {
    const d = Number(f[i]);
    if (d < 9) parts.push(`${f.slice(0, i)}[${d + 1}-9]${more(digits - i - 1)}`);
  }
  if (!exclusive) parts.push(f + more(digits - f.length));
  else for (let i = f.length; i < digits; i++) parts.push(`${f}0{${i - f.length}}[1-9]${more(digits - i - 1)}`);
  return `\\.(?:${parts.join("|")})`;
}

function fractionBelow(f: string, exclusive: boolean, digits: number): string | undefined {
  if (f === "") return exclusive ? undefined : `(?:\\.0{1,${digits}})?`;
  const parts: string[] = [];
  for (let i = 0; i < f.length && i < digits; i++) {
    const d = Number(f[i]);
    if (d > 0) parts.push(`${f.slice(0, i)}[0-${d - 1}]${more(digits - i - 1)}`);
    if (i > 0) parts.push(f.slice(0, i));
  }
  if (!exclusive) parts.push(`${f}0{0,${Math.max(0, digits - f.length)}}`);
  return `(?:\\.(?:${parts.join("|")}))?`;
}

const more = (digits: number): string => `\\d{0,${Math.max(0, digits)}}`;

/** Integers without a sign from `low` to `high`, both without leading zeros. */
function integers(low: string, high: string | undefined): string {
  const out: string[] = [];
  const longest = high?.length ?? low.length;
  for (let length = low.length; length <= longest; length++) {
    const from = length === low.length ? low : `1${"0".repeat(length - 1)}`;
    const to = high !== undefined && length === high.length ? high : "9".repeat(length);
    out.push(sameLength(from, to));
  }
  if (high === undefined) out.push(`[1-9]\\d{${low.length},}`);
  return out.join("|");
}

function sameLength(a: string, b: string): string {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  if (i === a.length) return a;
  const head = a.slice(0, i);
  const [x, y] = [Number(a[i]), Number(b[i])];
  const rest = a.length - i - 1;
  const parts = [`${x}${from(a.slice(i + 1))}`, `${y}${to(b.slice(i + 1))}`];
  if (y - x > 1) parts.push(`[${x + 1}-${y - 1}]\\d{${rest}}`);
  return `${head}(?:${parts.join("|")})`;
}
/** Digits of the same number as `a` that are not below it. */
function from(a: string): string {
  if (/^0*$/.test(a)) return `\\d{${a.length}}`;
  const d = Number(a[0]);
  const larger = d < 9 ? `|[${d + 1}-9]\\d{${a.length - 1}}` : "";
  return `(?:${d}${from(a.slice(1))}${larger})`;
}
function to(b: string): string {
  if (/^9*$/.test(b)) return `\\d{${b.length}}`;
  const d = Number(b[0]);
  const smaller = d > 0 ? `|[0-${d - 1}]\\d{${b.length - 1}}` : "";
  return `(?:${d}${to(b.slice(1))}${smaller})`;
}

/** Decimal numbers without an exponent that are a multiple of a number, or are none. */
function multiplesDfa(of: number, negate: boolean, budget: Budget): Dfa {
  const { fraction } = decimal(of);
  const scale = fraction.length;
  const divisor = scaled(of, scale);
  if (divisor * BigInt(scale + 1) > BigInt(maxDivisor)) throw new NumberError(`${of} has too many digits to count in`);
  const m = Number(divisor);
  budget.states(m * (scale + 1));
  // State 1 + (place * m + remainder): `place` digits after the point have been read, from 0 on in front of it.
  const state = (place: number, remainder: number): number => 1 + place * m + remainder;
  const digits = (place: number, remainder: number): Edge[] =>
    Array.from({ length: 10 }, (_, d): Edge => [0x30 + d, 0x30 + d, state(place, (remainder * 10 + d) % m)]);
  const edges: Edge[][] = [[[0x2d, 0x2d, state(0, 0)], ...digits(0, 0)]];
  const labels = [-1];
  for (let place = 0; place <= scale; place++)
    for (let remainder = 0; remainder < m; remainder++) {
      const divides = (remainder * 10 ** (scale - place)) % m === 0;
      labels.push(divides !== negate ? 0 : -1);
      // The point leads to the first place after it; further zeros are of no use.
      if (place === 0) edges.push([...(scale > 0 ? [pointTo(m, scale, remainder)] : []), ...digits(0, remainder)]);
      else edges.push(place < scale ? digits(place + 1, remainder) : []);
    }
  // The states just after the point: they accept nothing.
  if (scale > 0)
    for (let remainder = 0; remainder < m; remainder++) {
      labels.push(-1);
      edges.push(digits(1, remainder));
    }
  return trim({ edges, labels });
}

const pointTo = (m: number, scale: number, remainder: number): Edge => [0x2e, 0x2e, 1 + (scale + 1) * m + remainder];
