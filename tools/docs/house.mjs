#!/usr/bin/env node
/**
 * Draws the house: the rooms (folders of src/ and native/) and which uses which, as a mermaid diagram in ARCHITECTURE.md.
 *
 *   node tools/docs/house.mjs           writes the diagram between its two markers
 *   node tools/docs/house.mjs --print   prints it
 *
 * Arrows are read from imports and includes. To keep the picture readable it leaves out what every room may use (native/base, and files right in
 * src/, of which index.ts lists the public API of all rooms) and arrows that follow from others (a -> c where a -> b -> c).
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const document = path.join(root, "ARCHITECTURE.md");
const begin = "<!-- The house, drawn by tools/docs/house.mjs from the imports -->";
const end = "<!-- End of the house -->";
const shared = (room) => room === "native/base" || /^src\/.*\.ts$/.test(room);

const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => /^(bin\/.*\.js|src\/.*\.ts|native\/.*\.(h|cpp|inc))$/.test(file));

/** The room of a file: its folder right below src/ or native/; a file that lies there itself is a room of its own. */
const roomOf = (file) => file.split("/").slice(0, 2).join("/");
const rooms = new Set(tracked.map(roomOf).filter((room) => !shared(room)));

/** Files of the repository that this file imports, includes or, in the case of the built addon, loads. */
function* uses(file, text) {
  if (file.startsWith("native/")) {
    for (const [, target] of text.matchAll(/^#include "([^"]*)"/gm)) yield `native/${target}`;
    return;
  }
  for (const [, target] of text.matchAll(/(?:from |import |import\()"(\.[^"]*)"/g))
    yield path.posix
      .join(path.posix.dirname(file), target)
      .replace(/^dist\//, "src/")
      .replace(/\.js$/, ".ts");
  if (text.includes("createRequire(") && text.includes("owl3.node")) yield "native/addon/addon.cpp";
}

/** Room -> rooms it uses. */
function arrows() {
  const all = new Map([...rooms].sort().map((room) => [room, new Set()]));
  for (const file of tracked) {
    const from = roomOf(file);
    if (!rooms.has(from)) continue;
    for (const target of uses(file, readFileSync(path.join(root, file), "utf8"))) {
      const to = roomOf(target);
      if (to !== from && rooms.has(to)) all.get(from).add(to);
    }
  }
  return all;
}

/** Whether `from` reaches `to` over other rooms. */
function reaches(all, from, to) {
  const seen = new Set();
  const next = [...all.get(from)].filter((room) => room !== to);
  while (next.length > 0) {
    const room = next.pop();
    if (room === to) return true;
    if (seen.has(room)) continue;
    seen.add(room);
    next.push(...all.get(room));
  }
  return false;
}

function diagram() {
  const all = arrows();
  const id = (room) => room.replace(/\W/g, "_");
  const label = (room) => (room.startsWith("bin/") ? room : `${room}/`);
  const lines = ["```mermaid", "flowchart TD"];
  for (const side of ["bin", "src", "native"]) {
    const here = [...all.keys()].filter((room) => room.startsWith(`${side}/`));
    const nodes = here.map((room) => `${id(room)}["${label(room)}"]`);
    if (here.length === 1) lines.push(`  ${nodes[0]}`);
    else lines.push(`  subgraph ${side}`, ...nodes.map((node) => `    ${node}`), "  end");
  }
  for (const [from, targets] of all)
    for (const to of [...targets].sort()) if (!reaches(all, from, to)) lines.push(`  ${id(from)} --> ${id(to)}`);
  return [...lines, "```"].join("\n");
}

if (process.argv.includes("--print")) console.log(diagram());
else {
  const text = readFileSync(document, "utf8");
  const [first, last] = [text.indexOf(begin), text.indexOf(end)];
  if (first < 0 || last < first) throw new Error(`ARCHITECTURE.md lacks the markers ${begin} and ${end}`);
  writeFileSync(document, `${text.slice(0, first + begin.length)}\n\n${diagram()}\n\n${text.slice(last)}`);
}
