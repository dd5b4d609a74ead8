import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import GithubSlugger from "github-slugger";
import { marked, type Token } from "marked";
import { describe, expect, test } from "vitest";
import { root } from "../../support/files.js";

const documents = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && existsSync(path.join(root, file)));

function tokensOf(markdown: string): Token[] {
  const tokens: Token[] = [];
  marked.walkTokens(marked.lexer(markdown), (token) => {
    tokens.push(token);
  });
  return tokens;
}

/** The targets of links and pictures, those of HTML too. */
function links(markdown: string): string[] {
  return tokensOf(markdown).flatMap((token) => {
    if (token.type === "link" || token.type === "image") return [token.href as string];
    if (token.type !== "html") return [];
    return [...token.raw.matchAll(/\b(?:href|src|srcset)="([^"]*)"/g)].map(([, target]) => target as string);
  });
}

/** The anchors of a document as GitHub makes them: of its headings, and those that it sets itself. */
function anchors(markdown: string): Set<string> {
  const slugger = new GithubSlugger();
  const found = new Set([...markdown.matchAll(/<a (?:id|name)="([^"]+)">/g)].map(([, id]) => id as string));
  for (const token of tokensOf(markdown))
    if (token.type === "heading") found.add(slugger.slug(textOf(token.tokens ?? [])));
  return found;
}
function textOf(tokens: Token[]): string {
  const text = (token: Token): string => {
    if ("tokens" in token && token.tokens) return textOf(token.tokens);
    return "text" in token ? token.text : token.raw;
  };
  return tokens.map(text).join("");
}

const known = new Map<string, Set<string>>();
/** The anchors of a file, or of a folder's README. */
function anchorsOf(file: string): Set<string> {
  const page = statSync(file).isDirectory() ? path.join(file, "README.md") : file;
  const found = known.get(page) ?? anchors(existsSync(page) ? readFileSync(page, "utf8") : "");
  known.set(page, found);
  return found;
}

/** The links of a document that lead nowhere. */
function broken(markdown: string, folder: string): string[] {
  let here: Set<string> | undefined;
  const own = () => {
    here ??= anchors(markdown);
    return here;
  };
  return links(markdown).filter((link) => {
    if (/^[a-z]+:/i.test(link)) return false; // elsewhere
    const [target = "", anchor] = link.split("#");
    const file = target === "" ? undefined : path.join(root, folder, decodeURIComponent(target));
    if (file && (!existsSync(file) || path.relative(root, file).startsWith(".."))) return true;
    if (anchor === undefined) return false;
    return !(file ? anchorsOf(file) : own()).has(anchor);
  });
}

describe("links", () => {
  for (const document of documents)
    test(document, () => {
      expect(broken(readFileSync(path.join(root, document), "utf8"), path.dirname(document))).toEqual([]);
    });
});

test("every document of the root and of docs is reached from the README", () => {
  const reached = new Set(["README.md"]);
  for (const document of reached)
    for (const link of links(readFileSync(path.join(root, document), "utf8"))) {
      const file = path.join(path.dirname(document), link.split("#")[0] ?? "");
      if (documents.includes(file)) reached.add(file);
      else if (documents.includes(path.join(file, "README.md"))) reached.add(path.join(file, "README.md"));
    }
  expect(documents.filter((file) => /^(docs\/|[^/]+$)/.test(file) && !reached.has(file))).toEqual([]);
});

test("wrong links are noticed, wherever they are", () => {
  const markdown = [
    "# A `title`: of two",
    "[a](#a-title-of-two) [b](#nothing) [c](README.md) [d](no/such.md) [e](docs/batch.md#rows) [f](docs/batch.md#no)",
    '![g](no.png) <img src="none.png"> [h](https://example.org/x) [i](../../outside.md) [j](docs#no)',
    "`[k](no/such.md)`",
    "| table |\n|---|\n| [l](none.md) |",
    '<a id="here"></a> [m](#here)',
  ].join("\n\n");
  expect(broken(markdown, ".")).toEqual([
    "#nothing",
    "no/such.md",
    "docs/batch.md#no",
    "no.png",
    "none.png",
    "../../outside.md",
    "docs#no",
    "none.md",
  ]);
});
