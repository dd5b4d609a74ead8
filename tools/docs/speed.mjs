#!/usr/bin/env node
/**
 * Makes SPEED.md, its plot and the pages of measurements from docs/speed/*.json, which tools/bench/compare.py writes.
 *
 *   node tools/docs/speed.mjs [ROOT]            writes them (in this repository unless told otherwise)
 *   node tools/docs/speed.mjs --check [ROOT]    names those that are out of date (exit code 1)
 *   node tools/docs/speed.mjs --print FILE      prints the table of one JSON file
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { digits, median, readDay, readDays, share, table, workName } from "./figures.mjs";
import { plot } from "./speed-plot.mjs";

const [flag, given] = process.argv[2]?.startsWith("--") ? process.argv.slice(2) : [undefined, process.argv[2]];
const root = given ?? fileURLToPath(new URL("../..", import.meta.url));
const folder = path.join(root, "docs/speed");
const begin = "<!-- The figures, written by tools/docs/speed.mjs from the JSON file of this name -->";
const end = "<!-- End of the figures -->";

/** The last day of each machine, the latest first. */
function machines(days) {
  const last = new Map(days.map((day) => [day.machine, day]));
  return [...last.values()].sort((a, b) => b.date.localeCompare(a.date));
}

const title = (day) => `${day.processor}, ${day.cores} cores`;

function speed(days) {
  const lines = [
    "# Speed",
    "",
    "This page is made by `node tools/docs/speed.mjs` from the files in `docs/speed`. Random weights of the 2B shapes, all cores, median of all rounds; peers ran in turn with owl3",
    "([how](tools/bench/README.md)). Every measurement with all its rounds: [docs/speed](docs/speed/README.md). What bounds each kernel: [docs/kernels.md](docs/kernels.md). To",
    "measure here, without weights:",
    "",
    "```",
    "owl3 bench --shape 2b --type q4_k_m            # everything, beside this machine's limits",
    "tools/bench/build_llama_cpp.sh FOLDER          # a peer; then all of them in turn with ours",
    "tools/bench/compare.py FOLDER",
    "```",
    "",
    "No GPU was measured yet: [docs/cuda.md](docs/cuda.md) says what was tested of that backend, and `tools/bench/gpu.sh` measures it where one is.",
    "",
    "![owl3 against each peer; to the right of 1 x owl3 is faster](docs/speed/plot.svg)",
  ];
  for (const day of machines(days))
    lines.push("", `## [${day.date}](docs/speed/${day.name}.md), ${title(day)}`, "", ...table(day.runs));
  return `${lines.join("\n")}\n`;
}

function index(pages) {
  const list = pages.map((page) => `- [${page.date}](${page.file}): ${page.title}`);
  return ["# Every measurement", "", ...list, ""].join("\n");
}

/** The figures of a day: each run with what it ran, and each figure with its rounds. */
function figures(day) {
  const lines = [];
  for (const run of day.runs) {
    lines.push("", `### ${run.at} UTC, commit ${run.commit}, ${run.size}, ${run.threads} threads`);
    const peaks = Object.entries(run.peaks ?? {}).filter(([, rate]) => rate > 0);
    const rates = peaks.map(([name, rate]) => `${name} ${digits(rate)} Gop/s`);
    const loads = Object.entries(run.load ?? {}).map(([type, ms]) => `${type} ${digits(ms / 1000)} s`);
    lines.push("", `\`${run.command}\``, "");
    lines.push(`Versions: ${Object.values(run.versions).join("; ")}.`);
    if (rates.length > 0) lines.push(`Peaks: ${rates.join(", ")}.`);
    if (loads.length > 0) lines.push(`Loaded in: ${loads.join(", ")}.`);
    lines.push(
      "",
      "| work | program | each round | median | limit beside it | bytes a token |",
      "|---|---|---|---|---|---|",
    );
    for (const figure of run.figures) {
      const at = share(figure);
      const rate =
        at &&
        `${Math.round(100 * at.share)} % of ${digits(at.limit)} ${at.of === "bandwidth" ? "GB/s" : `Gop/s (${at.of})`}`;
      const cells = [
        workName(figure.work),
        `${figure.who} ${figure.type}`,
        figure.rounds.map(digits).join(", "),
        `${digits(median(figure))} ${figure.unit}`,
        rate ?? "",
        figure.bytes ? `${(figure.bytes / 1e6).toFixed(0)} MB` : "",
      ];
      lines.push(`| ${cells.join(" | ")} |`);
    }
  }
  return lines.join("\n");
}

/** The page of a day with its figures put in; text around them is kept. A page without the markers was written by hand. */
function page(day) {
  const file = path.join(folder, `${day.name}.md`);
  const text = existsSync(file) ? readFileSync(file, "utf8") : `# ${day.date}, ${title(day)}\n\n${begin}\n${end}\n`;
  const [first, last] = [text.indexOf(begin), text.indexOf(end)];
  if (first < 0 || last < first) return text;
  return `${text.slice(0, first + begin.length)}\n${figures(day)}\n\n${text.slice(last)}`;
}

function made() {
  const days = readDays(folder);
  const all = new Map(days.map((day) => [`docs/speed/${day.name}.md`, page(day)]));
  for (const file of readdirSync(folder).filter((name) => /^\d.*\.md$/.test(name)))
    if (!all.has(`docs/speed/${file}`)) all.set(`docs/speed/${file}`, readFileSync(path.join(folder, file), "utf8"));
  const pages = [...all].map(([name, text]) => {
    const [, date, words] = /^# (\d{4}-\d{2}-\d{2}), (.*)/.exec(text) ?? [];
    if (!date) throw new Error(`${name} does not begin with "# DATE, TITLE"`);
    return { file: path.basename(name), date, title: words };
  });
  pages.sort((a, b) => b.file.localeCompare(a.file));
  all.set("SPEED.md", speed(days));
  all.set("docs/speed/README.md", index(pages));
  all.set(
    "docs/speed/plot.svg",
    plot(machines(days).map((day) => ({ title: `${title(day)}, ${day.date}`, runs: day.runs }))),
  );
  return all;
}

if (flag === "--print") for (const line of table(readDay(given).runs)) console.log(line);
else
  for (const [name, text] of made()) {
    const place = path.join(root, name);
    if (existsSync(place) && readFileSync(place, "utf8") === text) continue;
    if (flag === "--check") {
      console.error(`${name} is out of date: run node tools/docs/speed.mjs`);
      process.exitCode = 1;
    } else writeFileSync(place, text);
  }
