import type { Budget } from "./budget.js";
import type { Dfa, Edge } from "./dfa.js";

/** States over bytes, of all automata of a grammar. */
export class States {
  /** First byte, last byte, target. */
  readonly edges: Edge[][] = [];
  readonly labels: number[] = [];
  readonly #budget: Budget;
  readonly #finals = new Map<number, number>();
  /** Encoded edges of characters beyond ASCII: most states have the same. */
  readonly #wide = new Map<string, Edge[]>();
  readonly #interned = new Map<string, number>();

  constructor(budget: Budget) {
    this.#budget = budget;
    this.final(0);
  }

  add(edges: Edge[], label = -1): number {
    this.#budget.states(1);
    this.labels.push(label);
    return this.edges.push(edges) - 1;
  }

  /** The state of a text that is complete, which no byte leaves. That of label 0 has the number 0. */
  final(label: number): number {
    let state = this.#finals.get(label);
    if (state === undefined) {
      state = this.add([], label);
      this.#finals.set(label, state);
    }
    return state;
  }

  /** A state with these edges that does not accept; the same one for the same edges. */
  intern(edges: Edge[]): number {
    const key = edges.join(" ");
    let state = this.#interned.get(key);
    if (state === undefined) {
      state = this.add(edges);
      this.#interned.set(key, state);
    }
    return state;
  }

  /** An automaton whose code points are ASCII or that a whole answer follows: as UTF-8. Returns its start. */
  addText(dfa: Dfa): number {
    return this.#addCharacters(
      dfa,
      (edges, to) => this.#utf8(edges, to),
      (label) => [[], label],
    );
  }

  /** The content of a JSON string and its closing quote. Each character has one spelling, that of JSON.stringify. Returns its start. */
  addString(dfa: Dfa): number {
    return this.#addCharacters(
      dfa,
      (edges, to) => [...this.#utf8(plain(edges), to), ...this.#escapes(edges, to)],
      (label) => [label >= 0 ? [[0x22, 0x22, this.final(label)]] : [], -1],
    );
  }

  #addCharacters(
    dfa: Dfa,
    encode: (edges: readonly Edge[], to: (target: number) => number) => Edge[],
    end: (label: number) => [edges: Edge[], label: number],
  ): number {
    const numbers = dfa.labels.map(() => this.add([]));
    const to = (target: number): number => numbers[target] as number;
    for (const [s, edges] of dfa.edges.entries()) {
      const [more, label] = end(dfa.labels[s] as number);
      this.edges[to(s)] = [...encode(edges, to), ...more].sort((a, b) => a[0] - b[0]);
      this.labels[to(s)] = label;
    }
    return to(0);
  }

  #utf8(edges: readonly Edge[], to: (target: number) => number): Edge[] {
    const out: Edge[] = [];
    const wide: Edge[] = [];
    for (const [first, last, target] of edges) {
      if (first < 0x80) out.push([first, Math.min(last, 0x7f), to(target)]);
      if (last >= 0x80) wide.push([Math.max(first, 0x80), last, to(target)]);
    }
    if (wide.length === 0) return out;
    const key = wide.join(" ");
    let encoded = this.#wide.get(key);
    if (!encoded) {
      encoded = this.#multibyte(wide);
      this.#wide.set(key, encoded);
    }
    return [...out, ...encoded];
  }

  /** Lead bytes of two, three and four bytes: the first of them, how many, the bits that follow, and the first character that needs so many bytes. */
  #multibyte(edges: readonly Edge[]): Edge[] {
    const out: Edge[] = [];
    for (const [lead, count, bits, floor] of [
      [0xc0, 32, 6, 0x80],
      [0xe0, 16, 12, 0x800],
      [0xf0, 5, 18, 0x10000],
    ] as const)
      for (let n = 0; n < count; n++) {
        const state = this.#continuation(edges, n << bits, bits, floor);
        if (state >= 0) push(out, [lead + n, lead + n, state]);
      }
    return out;
  }

  /** The state that wants the remaining `bits` of characters from `low` on; -1 if there are none. */
  #continuation(edges: readonly Edge[], low: number, bits: number, floor: number): number {
    const high = low + 2 ** bits - 1;
    const inside = edges.filter(([first, last]) => first <= high && last >= Math.max(low, floor));
    if (inside.length === 0) return -1;
    const [first, last, target] = inside[0] as Edge;
    const wholly = first <= low && last >= high && low >= floor && high <= 0x10ffff;
    if (wholly && !(low <= 0xdfff && high >= 0xd800)) return this.#anyOf(bits, target);
    const out: Edge[] = [];
    const step = bits - 6;
    for (let n = 0; n < 64; n++) {
      const from = low + n * 2 ** step;
      const until = from + 2 ** step - 1;
      // Too small for so many bytes, or a surrogate, or beyond Unicode: no character.
      if (until < floor || from > 0x10ffff || (from >= 0xd800 && until <= 0xdfff)) continue;
      if (step === 0) {
        const edge = inside.find(([first, last]) => first <= from && from <= last);
        if (edge) push(out, [0x80 + n, 0x80 + n, edge[2]]);
      } else {
        const state = this.#continuation(inside, from, step, floor);
        if (state >= 0) push(out, [0x80 + n, 0x80 + n, state]);
      }
    }
    return out.length === 0 ? -1 : this.intern(out);
  }

  /** The state that wants any continuation bytes for `bits`. */
  #anyOf(bits: number, target: number): number {
    return this.intern([[0x80, 0xbf, bits === 6 ? target : this.#anyOf(bits - 6, target)]]);
  }

  #escapes(edges: readonly Edge[], to: (target: number) => number): Edge[] {
    const targets = new Map<number, number>();
    for (const [first, last, target] of edges) {
      for (let c = first; c <= last && c < 0x20; c++) targets.set(c, to(target));
      for (const c of [0x22, 0x5c]) if (first <= c && c <= last) targets.set(c, to(target));
    }
    const key = `escape ${[...targets].join(" ")}`;
    let encoded = this.#wide.get(key);
    if (!encoded) {
      encoded = this.#spellEscapes((c) => targets.get(c));
      this.#wide.set(key, encoded);
    }
    return encoded;
  }

  #spellEscapes(at: (c: number) => number | undefined): Edge[] {
    const after: Edge[] = [];
    const hex: [Edge[], Edge[]] = [[], []];
    for (let c = 0; c < 0x20; c++) {
      const target = at(c);
      if (target === undefined) continue;
      const letter = shortEscapes.get(c);
      if (letter !== undefined) after.push([letter, letter, target]);
      else {
        const digit = (c % 16).toString(16).charCodeAt(0);
        hex[c >> 4]?.push([digit, digit, target]);
      }
    }
    for (const c of [0x22, 0x5c]) {
      const target = at(c);
      if (target !== undefined) after.push([c, c, target]);
    }
    const tens = hex.flatMap((list, n): Edge[] => (list.length > 0 ? [[0x30 + n, 0x30 + n, this.intern(list)]] : []));
    // \u00 and two more digits
    if (tens.length > 0) {
      const second = this.intern([[0x30, 0x30, this.intern(tens)]]);
      after.push([0x75, 0x75, this.intern([[0x30, 0x30, second]])]);
    }
    return after.length === 0 ? [] : [[0x5c, 0x5c, this.intern(after.sort((a, b) => a[0] - b[0]))]];
  }
}

/** \b, \t, \n, \f and \r. */
const shortEscapes = new Map([8, 9, 10, 12, 13].map((c, i) => [c, "btnfr".charCodeAt(i)]));

/** The characters that stand for themselves in a JSON string. */
function plain(edges: readonly Edge[]): Edge[] {
  const holes: [number, number][] = [
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ];
  let out: Edge[] = [...edges];
  for (const [a, b] of holes)
    out = out.flatMap(([first, last, to]): Edge[] => [
      ...(first < a ? [[first, Math.min(last, a - 1), to] as Edge] : []),
      ...(last > b ? [[Math.max(first, b + 1), last, to] as Edge] : []),
    ]);
  return out;
}

function push(edges: Edge[], edge: Edge): void {
  const last = edges.at(-1);
  if (last && last[1] + 1 === edge[0] && last[2] === edge[2]) edges[edges.length - 1] = [last[0], edge[1], edge[2]];
  else edges.push(edge);
}
