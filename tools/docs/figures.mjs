/** Reads the figures that tools/bench/compare.py wrote: docs/speed/*.json, one file per machine and day, with a run each time it was called. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Files in the order of their dates, each with the name that its page has as well. */
export function readDays(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.sort().map((file) => readDay(path.join(folder, file)));
}

export function readDay(file) {
  return { ...JSON.parse(readFileSync(file, "utf8")), name: path.basename(file, ".json") };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The one or two rounds in the middle. */
function middle({ rounds }) {
  const order = rounds.map((_, i) => i).sort((a, b) => rounds[a] - rounds[b]);
  return order.slice(Math.floor((order.length - 1) / 2), Math.floor(order.length / 2) + 1);
}

/**
 * A figure is the median of its rounds: a shared machine's memory may be twice as fast in one round as in the next, so that the best round tells who
 * had that luck.
 */
export function median(figure) {
  return mean(middle(figure).map((i) => figure.rounds[i]));
}

/** The share of the machine's limit that a figure reached in these rounds: {share, limit, of}. */
export function share(figure) {
  const found = middle(figure).flatMap((i) => figure.limits?.[i] ?? []);
  if (found.length === 0) return undefined;
  return { ...found[0], share: mean(found.map(({ share }) => share)), limit: mean(found.map(({ limit }) => limit)) };
}

const alike = { q8_0: ["q8_0", "int8"], q4_k_m: ["q4_k_m", "int4"], q4_0: ["q4_0", "int4"], bf16: ["bf16", "f16"] };
const ofLibraries = ["int8", "int4", "bf16", "fp32", "f32"];

/**
 * How many times as fast ours is as each peer of the same run: [{who, type, ratio}], the least first. Whoever computes products may choose
 * their format, so every format of the tower counts, and every format of a library; decoding is bound by bytes, so that the same format is a rival only, and bytes that still differ
 * (`bytes` a token) are allowed for.
 */
export function ratios(ours, figures) {
  const formats = alike[ours.type] ?? [ours.type];
  const rivals = figures.filter(
    ({ work, who, type }) =>
      work === ours.work &&
      who !== "owl3" &&
      (work === "vision" || formats.includes(type) || (work !== "decode" && ofLibraries.includes(type))),
  );
  return rivals
    .map((rival) => {
      const faster = ours.unit === "s" ? median(rival) / median(ours) : median(ours) / median(rival);
      const bytes = ours.bytes && rival.bytes ? ours.bytes / rival.bytes : 1;
      return { ...rival, ratio: faster * bytes };
    })
    .sort((a, b) => a.ratio - b.ratio);
}

/** Each peer once, with the format it is fastest in. */
export function eachPeer(rivals) {
  return rivals.filter(({ who }, i) => rivals.findIndex((other) => other.who === who) === i);
}

/** Our figures of these runs with their rivals; the latest run counts that has a figure at all. */
export function rows(runs) {
  const found = new Map();
  for (const run of runs)
    for (const ours of run.figures.filter(({ who }) => who === "owl3"))
      found.set(`${ours.work} ${ours.type}`, { ours, rivals: ratios(ours, run.figures) });
  const order = ["vision", "prefill:74", "prefill:512", "decode"];
  const rank = ({ ours }) => (order.indexOf(ours.work) + 1 || 9) * 10 + Object.keys(alike).indexOf(ours.type);
  return [...found.values()].sort((a, b) => rank(a) - rank(b));
}

const names = { vision: "vision, one crop", decode: "decode" };
export const workName = (work) => names[work] ?? work.replace(/^prefill:/, "prefill ");

/** A figure in three digits. */
export function digits(x) {
  return x >= 100 ? x.toFixed(0) : x.toPrecision(3);
}

/** The table of these runs, as lines of Markdown. */
export function table(runs) {
  const lines = ["| work | owl3 | of the limit | best peer | owl3 against it |", "|---|---|---|---|---|"];
  for (const { ours, rivals } of rows(runs)) {
    const at = share(ours);
    const limit = at
      ? `${Math.round(100 * at.share)} % of ${at.of === "bandwidth" ? "the bandwidth" : `the ${at.of} peak`}`
      : "";
    const [peer] = rivals;
    const against = peer
      ? [`${peer.who} ${peer.type} ${digits(median(peer))}`, `${peer.ratio.toFixed(2)} x`]
      : ["not run", ""];
    const work = `${workName(ours.work)}, ${ours.type}`;
    lines.push(`| ${work} | ${digits(median(ours))} ${ours.unit} | ${limit} | ${against.join(" | ")} |`);
  }
  return lines;
}
