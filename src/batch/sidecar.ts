/** Files beside pictures and clips that hold what was said of them. */
import { existsSync, linkSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { FileError, systemReason } from "../errors.js";
import type { BatchLine } from "./lines.js";

export const sidecarKinds = [".txt", ".json", ".xmp"] as const;
export type SidecarKind = (typeof sidecarKinds)[number];

/** The sidecar of a file: photo.txt and photo.json as training programs expect it, photo.jpg.xmp as photo managers do. */
export function sidecarOf(file: string, kind: SidecarKind): string {
  if (kind === ".xmp") return `${file}.xmp`;
  const { dir, name } = path.parse(file);
  return path.join(dir, `${name}${kind}`);
}

/**
 * Writes a sidecar under its name once it is whole. One that exists is left as it is, whoever wrote it; false: there was one. Throws FileError.
 */
export function writeSidecar(sidecar: string, kind: SidecarKind, line: BatchLine): boolean {
  const text = line.text ?? "";
  const content = kind === ".txt" ? `${text}\n` : kind === ".json" ? `${JSON.stringify(line, null, 2)}\n` : xmp(text);
  const partial = path.join(path.dirname(sidecar), `.${path.basename(sidecar)}.${process.pid}.partial`);
  try {
    writeFileSync(partial, content);
    return take(partial, sidecar, content);
  } catch (error) {
    throw new FileError(`${sidecar} can't be written: ${systemReason(error)}.`, { cause: error });
  } finally {
    rmSync(partial, { force: true });
  }
}

/** Gives a file its name unless that is taken; a link can't replace another file. */
function take(partial: string, name: string, content: string): boolean {
  try {
    linkSync(partial, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    if (existsSync(name)) return false;
    // Some file systems have no links.
    writeFileSync(name, content, { flag: "wx" });
    return true;
  }
}

/**
 * An XMP packet with dc:description, and with dc:subject where the answer is a JSON object that has keywords: `{"description": "...",
 * "keywords": ["...", "..."]}` (also "caption", and "tags").
 */
export function xmp(text: string): string {
  const { description, subject } = described(text);
  const keywords = subject.map((word) => `     <rdf:li>${escaped(word)}</rdf:li>\n`).join("");
  const bag = subject.length > 0 ? `   <dc:subject>\n    <rdf:Bag>\n${keywords}    </rdf:Bag>\n   </dc:subject>\n` : "";
  return `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
   <dc:description>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">${escaped(description)}</rdf:li>
    </rdf:Alt>
   </dc:description>
${bag}  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
`;
}

function described(text: string): { description: string; subject: string[] } {
  try {
    const { description, caption, keywords, tags } = JSON.parse(text) as Record<string, unknown>;
    const said = description ?? caption;
    const words = keywords ?? tags;
    if (typeof said !== "string" && !Array.isArray(words)) return { description: text, subject: [] };
    const subject = Array.isArray(words) ? words.filter((word) => typeof word === "string" && word.trim() !== "") : [];
    return { description: typeof said === "string" ? said : "", subject };
  } catch {
    return { description: text, subject: [] };
  }
}

/** Escapes what XML gives a meaning, and drops characters that it can't hold. */
function escaped(text: string): string {
  return (
    text
      .replace(/\p{Surrogate}/gu, "\ufffd")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no place for them
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
      .replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] as string)
  );
}
