import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { root } from "../../support/files.js";

const text = (file: string) => readFileSync(path.join(root, file), "utf8");
const { version, license } = JSON.parse(text("package.json"));

// GitHub's syntax of issue forms: a form that it can't read is not offered, and nothing says why.
const label = z.object({ label: z.string().min(1), description: z.string().optional() });
const validations = z.strictObject({ required: z.boolean() }).optional();
const id = z.string().regex(/^[\w-]+$/);
const written = label.extend({ placeholder: z.string().optional(), value: z.string().optional() });
const field = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("markdown"), attributes: z.strictObject({ value: z.string().min(1) }) }),
  z.strictObject({ type: z.literal("input"), id, attributes: written.strict(), validations }),
  z.strictObject({
    ...{ type: z.literal("textarea"), id, validations },
    attributes: written.extend({ render: z.string().optional() }).strict(),
  }),
  z.strictObject({
    ...{ type: z.literal("checkboxes"), id },
    attributes: label.extend({ options: z.array(z.strictObject({ label: z.string() })).min(1) }).strict(),
  }),
]);
const form = z.strictObject({
  ...{ name: z.string().min(1), description: z.string().min(1), labels: z.array(z.string()) },
  body: z.array(field).min(1),
});

describe("issue forms", () => {
  const folder = ".github/ISSUE_TEMPLATE";
  for (const file of readdirSync(path.join(root, folder)))
    test(`${file} is one that GitHub reads`, () => {
      const { body } = form.parse(parse(text(`${folder}/${file}`)));
      const ids = body.flatMap((field) => ("id" in field ? [field.id] : []));
      expect(new Set(ids).size).toBe(ids.length);
      expect(body.some((field) => "validations" in field && field.validations?.required)).toBe(true);
    });
});

test("CITATION.cff has what the format asks for, this version, and the paper", () => {
  const author = z.union([
    z.strictObject({ name: z.string() }),
    z.strictObject({ "given-names": z.string(), "family-names": z.string() }),
  ]);
  const work = z.object({ title: z.string(), type: z.string(), authors: z.array(author).min(1) });
  const citation = work
    .extend({ "cff-version": z.literal("1.2.0"), message: z.string(), version: z.string(), license: z.string() })
    .extend({ "preferred-citation": work.extend({ year: z.number(), doi: z.string() }) })
    .parse(parse(text("CITATION.cff")));
  expect(citation).toMatchObject({ title: "owl3", version, license });
  expect(citation["preferred-citation"]).toMatchObject({ year: 2024, doi: "10.48550/arXiv.2408.04840" });
});

describe("CHANGELOG.md", () => {
  const headings = [...text("CHANGELOG.md").matchAll(/^(#{2,3}) (.*)$/gm)].map(([, level, name]) => ({ level, name }));
  const releases = headings.filter(({ level }) => level === "##").map(({ name }) => name as string);

  test("has unreleased changes first, then releases with their days, the last of them package.json's version", () => {
    expect(releases[0]).toBe("[Unreleased]");
    for (const release of releases.slice(1)) expect(release).toMatch(/^\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}$/);
    if (releases.length > 1) expect(releases[1]).toContain(`[${version}]`);
    else expect(text("CHANGELOG.md")).toContain(`${version}, is not yet published`);
  });
  test("sorts changes as Keep a Changelog does", () => {
    const kinds = headings.filter(({ level }) => level === "###").map(({ name }) => name);
    expect(kinds.length).toBeGreaterThan(0);
    for (const kind of kinds)
      expect(["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]).toContain(kind);
  });
});
