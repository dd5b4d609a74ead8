import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BatchLine } from "../../../src/batch/lines.js";
import { sidecarOf, writeSidecar, xmp } from "../../../src/batch/sidecar.js";
import { temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
const line = { id: "a", text: "A cat." } as BatchLine;

test("sidecars: named as the programs that read them expect", () => {
  expect(sidecarOf("in/photo.jpg", ".txt")).toBe("in/photo.txt");
  expect(sidecarOf("in/photo.jpg", ".json")).toBe("in/photo.json");
  expect(sidecarOf("in/photo.jpg", ".xmp")).toBe("in/photo.jpg.xmp");
  expect(sidecarOf("in.x/photo", ".txt")).toBe("in.x/photo.txt");
});

test("sidecars: whole or not there, and one that exists stays", () => {
  const place = join(folder, "one");
  mkdirSync(place);
  const path = join(place, "photo.txt");
  expect(writeSidecar(path, ".txt", line)).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("A cat.\n");
  writeFileSync(path, "my own words");
  expect(writeSidecar(path, ".txt", line)).toBe(false);
  expect(readFileSync(path, "utf8")).toBe("my own words");
  expect(writeSidecar(join(place, "photo.json"), ".json", line)).toBe(true);
  expect(JSON.parse(readFileSync(join(place, "photo.json"), "utf8"))).toEqual(line);
  expect(readdirSync(place)).toEqual(["photo.json", "photo.txt"]);
  expect(() => writeSidecar(join(place, "absent/photo.txt"), ".txt", line)).toThrow(
    "photo.txt can't be written: no such file or folder.",
  );
});

/** Reads the little XML that is needed here; throws for anything that is not well-formed. */
function parse(xml: string): { name: string; text: string }[] {
  const open: string[] = [];
  const found: { name: string; text: string }[] = [];
  let last = 0;
  let text = "";
  for (const tag of xml.matchAll(/<(?:\?xpacket [^<>]*\?|(\/)?([a-zA-Z:]+)((?:\s+[a-zA-Z:]+="[^"<]*")*))>/g)) {
    text = xml.slice(last, tag.index);
    if (/[<>]/.test(text) || /&(?!(amp|lt|gt|quot);)/.test(text)) throw new Error(`not well-formed: ${text}`);
    last = tag.index + tag[0].length;
    const [, close, name] = tag;
    if (name === undefined) continue;
    if (!close) open.push(name);
    else if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    else found.push({ name, text });
  }
  if (open.length > 0 || xml.slice(last).trim() !== "") throw new Error("something is left open");
  return found;
}
const items = (xml: string): string[] => parse(xml).flatMap(({ name, text }) => (name === "rdf:li" ? [text] : []));

test("XMP: the answer is the description, escaped, without what XML can't hold", () => {
  expect(items(xmp('<rdf:li> & "</x>" größer \ud800\u0000\u000b\ufffe 🦉]]>'))).toEqual([
    "&lt;rdf:li&gt; &amp; &quot;&lt;/x&gt;&quot; größer \ufffd 🦉]]&gt;",
  ]);
  expect(xmp("x")).toContain('<rdf:li xml:lang="x-default">x</rdf:li>');
  expect(xmp("x")).not.toContain("dc:subject");
  expect(xmp("x").startsWith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>')).toBe(true);
});

test("XMP: keywords of an answer in JSON are its subject", () => {
  const answer = { description: "A cat.", keywords: ["cat", "a < b", 3, " "] };
  const packet = xmp(JSON.stringify(answer));
  expect(items(packet)).toEqual(["A cat.", "cat", "a &lt; b"]);
  expect(packet).toContain("<dc:subject>\n    <rdf:Bag>");
  expect(items(xmp('{"caption":"c","tags":["t"]}'))).toEqual(["c", "t"]);
  expect(items(xmp('{"other":1}'))).toEqual(["{&quot;other&quot;:1}"]);
  expect(items(xmp("[1]"))).toEqual(["[1]"]);
  expect(items(xmp("null"))).toEqual(["null"]);
});
