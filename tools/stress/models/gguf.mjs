// A GGUF file taken apart, to be put together with something wrong in it.

const kinds = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"];
const sizes = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, bool: 1, u64: 8, i64: 8, f64: 8 };

const u32 = (n) => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(n >>> 0);
  return out;
};
const u64 = (n) => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt.asUintN(64, BigInt(n)));
  return out;
};
const string = (text) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
};
const float = (n) => {
  const out = Buffer.alloc(4);
  out.writeFloatLE(n);
  return out;
};
const double = (n) => {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(n);
  return out;
};

/** The bytes of a number as one of a kind, as far as it has it. */
function scalar(kind, n) {
  if (kind === "string") return string(String(n));
  if (kind === "f32") return float(Number(n));
  if (kind === "f64") return double(Number(n));
  const whole = typeof n === "bigint" ? n : BigInt(Number.isInteger(n) ? n : 0);
  return u64(whole).subarray(0, sizes[kind]);
}

const largest = (1n << 64n) - 1n;
const numbers = [
  0,
  1,
  2,
  3,
  -1,
  127,
  32767,
  65535,
  2 ** 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  largest,
];
const reals = [0, -0, 1, -1, 1e-30, 1e30, 65536, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Values with their types in front, each with what it is in words. */
function strangeValues(kind) {
  const out = [];
  const add = (what, ...parts) => out.push([what, Buffer.concat(parts)]);
  const own =
    kind === "f32" || kind === "f64" ? reals : kind === "string" ? ["", "x", "\u001b[2J", "a".repeat(70_000)] : numbers;
  for (const n of own) add(`${kind} ${String(n).slice(0, 20)}`, u32(kinds.indexOf(kind)), scalar(kind, n));
  // Other kinds
  for (const other of ["u32", "i64", "f32", "bool", "string"])
    if (other !== kind) add(`${other} 1`, u32(kinds.indexOf(other)), scalar(other, 1));
  add("a length past the end", u32(8), u64(largest));
  add("an empty array", u32(9), u32(kinds.indexOf(kind)), u64(0));
  add("an array of one", u32(9), u32(kinds.indexOf(kind)), u64(1), scalar(kind, own[1]));
  add("a count past the end", u32(9), u32(kinds.indexOf(kind)), u64(largest));
  add("an array of arrays", u32(9), u32(9), u64(1), u32(4), u64(0));
  add("no kind at all", u32(77), u64(0));
  return out;
}

/** Makes a function that gives a copy of a file with something changed. */
function but(file, what, change) {
  const all = file.what === "" ? what : `${file.what}; ${what}`;
  return () => Object.assign(Object.create(GgufFile.prototype), file, change, { what: all });
}

export class GgufFile {
  constructor(bytes) {
    let at = 8;
    const take = (n) => {
      at += n;
      return bytes.subarray(at - n, at);
    };
    const count = () => Number(take(8).readBigUInt64LE());
    const text = () => take(count()).toString();
    const skip = (kind) => take(kind === "string" ? count() : sizes[kind]);
    const [tensors, keys] = [count(), count()];
    this.what = "";
    this.start = bytes.subarray(0, 8);
    this.counts = [tensors, keys];
    this.keys = Array.from({ length: keys }, () => {
      const name = text();
      const from = at;
      let kind = kinds[take(4).readUInt32LE()];
      let length;
      if (kind === "array") {
        kind = kinds[take(4).readUInt32LE()];
        length = count();
        for (let i = 0; i < length; i++) skip(kind);
      } else skip(kind);
      return { name, kind, length, value: bytes.subarray(from, at) };
    });
    this.tensors = Array.from({ length: tensors }, () => {
      const name = text();
      const shape = Array.from({ length: take(4).readUInt32LE() }, count);
      return { name, shape, type: take(4).readUInt32LE(), offset: count() };
    });
    this.data = bytes.subarray(Math.ceil(at / 32) * 32);
  }

  bytes() {
    const parts = [this.start, ...this.counts.map(u64)];
    for (const { name, value } of this.keys) parts.push(string(name), value);
    for (const { name, shape, type, offset } of this.tensors)
      parts.push(string(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    return Buffer.concat([...parts, Buffer.alloc((32 - (length % 32)) % 32), this.data]);
  }

  /** Every single change, each a function that makes a file of it. */
  changes() {
    const out = [];
    const add = (what, change) => out.push(but(this, what, change));
    const replaced = (list, i, item) => list.map((old, at) => (at === i ? { ...old, ...item } : old));
    this.keys.forEach(({ name, kind, length, value }, i) => {
      for (const [what, strange] of strangeValues(kind))
        add(`${name} is ${what}`, { keys: replaced(this.keys, i, { value: strange }) });
      add(`${name} is missing`, {
        keys: this.keys.toSpliced(i, 1),
        counts: [this.counts[0], BigInt(this.counts[1]) - 1n],
      });
      add(`${name} is called x`, { keys: replaced(this.keys, i, { name: "x" }) });
      add(`${name} occurs twice`, {
        keys: [...this.keys, this.keys[i]],
        counts: [this.counts[0], BigInt(this.counts[1]) + 1n],
      });
      if (length !== undefined)
        for (const n of [0, 1, length - 1, length + 1, 2 ** 32, largest])
          add(`${name} claims ${n} elements`, {
            keys: replaced(this.keys, i, { value: Buffer.concat([value.subarray(0, 8), u64(n), value.subarray(16)]) }),
          });
    });
    for (const n of [0, 1, 65537, 2 ** 32, largest]) {
      add(`${n} tensors`, { counts: [n, this.counts[1]] });
      add(`${n} keys`, { counts: [this.counts[0], n] });
      add(`version ${n}`, {
        start: Buffer.concat([this.start.subarray(0, 4), u32(Number(BigInt.asUintN(32, BigInt(n))))]),
      });
    }
    // One tensor stands for all with like names: v.blk.0.attn_q.weight for those of other layers.
    const seen = new Set();
    this.tensors.forEach(({ name, shape }, i) => {
      if (seen.has(name.replace(/\d+/, "N"))) return;
      seen.add(name.replace(/\d+/, "N"));
      const tensor = (what, item) => add(`${name} ${what}`, { tensors: replaced(this.tensors, i, item) });
      for (const n of [0, 1, 32, 2 ** 31, 1n << 40n, 1n << 62n, largest])
        shape.forEach((_, d) => {
          tensor(`has ${n} in dimension ${d}`, { shape: shape.with(d, n) });
        });
      for (const type of [0, 1, 2, 6, 8, 14, 24, 30, 99]) tensor(`has the type ${type}`, { type });
      for (const offset of [0, 1, 32, 1n << 40n, (1n << 63n) - 32n, largest - 31n])
        tensor(`stands at ${offset}`, { offset });
      tensor("has no dimension", { shape: [] });
      tensor("has five dimensions", { shape: [...shape, 1, 1, 1, 1].slice(0, 5) });
      tensor("is missing", { name: "x" });
      tensor("is called like another", { name: this.tensors[(i + 1) % this.tensors.length].name });
    });
    add("the last byte is missing", { data: this.data.subarray(0, -1) });
    add("no data", { data: Buffer.alloc(0) });
    for (const [what, byte] of [
      ["NaN", 0xff],
      ["zeros", 0],
    ])
      add(`all data are ${what}`, { data: Buffer.alloc(this.data.length, byte) });
    return out;
  }
}
