import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { fixtures, root } from "../../support/files.js";
import { constraintOf, end, tokens, tokenTable, tokenTexts } from "../../support/grammar.js";

/** tools/bench/llguidance.mjs */
interface Peer {
  llguidance(
    python: string,
    table: object,
  ): {
    masks(schema: unknown, ids: readonly number[]): Promise<{ error?: string; masks?: Uint8Array[] }>;
    end(): void;
  };
  differences(table: object, ours: Int32Array, theirs: Uint8Array): { only: number[]; missing: number[] };
}
const { llguidance, differences } = (await import(path.join(root, "tools/bench/llguidance.mjs"))) as Peer;

const python = process.env.LLGUIDANCE_PYTHON ?? path.join(root, ".venv/bin/python");
const absent =
  !existsSync(python) || spawnSync(python, ["-c", "import llguidance"]).status !== 0
    ? " (not run: there is no Python with llguidance; pip install llguidance==1.9.1 into .venv)"
    : "";

/** Cuts a text into tokens, the longest first. */
function idsOf(text: string): number[] {
  const ids: number[] = [];
  const all = tokenTexts.map((token, i): [string, number] => [token, end + 1 + i]);
  const known = all.filter(([token]) => token !== "");
  known.sort(([a], [b]) => b.length - a.length);
  for (let at = 0; at < text.length; ) {
    const [token, id] = known.find(([one]) => text.startsWith(one, at)) ?? [];
    const char = String.fromCodePoint(text.codePointAt(at) as number);
    ids.push(...(id === undefined ? Buffer.from(char) : [id]));
    at += (token ?? char).length;
  }
  return ids;
}

test.skipIf(absent !== "")(
  `masks are those of llguidance, token for token${absent}`,
  { timeout: 120_000 },
  async () => {
    const table = { bytes: tokenTable.bytes, starts: tokenTable.starts, end: tokenTable.starts.length - 1 };
    // llguidance's id of the end is the last, which has no bytes here.
    table.starts = Int32Array.from([...table.starts, table.bytes.length]);
    const peer = llguidance(python, table);
    const text = (id: number) => Buffer.from(table.bytes.subarray(table.starts[id], table.starts[id + 1])).toString();
    let compared = 0;
    const folder = path.join(fixtures, "schema/real");
    for (const file of readdirSync(folder)) {
      const { schema, tests } = JSON.parse(readFileSync(path.join(folder, file), "utf8"));
      const constraint = constraintOf({ schema }, tokens);
      for (const { data } of tests.filter(({ valid }: { valid: boolean }) => valid)) {
        const ids = idsOf(JSON.stringify(data));
        const matcher = constraint.matcher();
        const masks: Int32Array[] = [];
        const accepted = ids.every((id) => {
          const mask = matcher.mask();
          masks.push(Int32Array.from(mask));
          if ((((mask[id >> 5] as number) >>> (id & 31)) & 1) === 0) return false;
          matcher.accept(id);
          return true;
        });
        if (!accepted) continue; // its properties come in another order
        const { error, masks: theirs = [] } = await peer.masks(schema, ids);
        if (error?.startsWith("Unimplemented keys")) break; // it follows fewer
        expect([file, error ?? ""]).toEqual([file, ""]);
        for (const [i, mask] of masks.entries()) {
          const { only, missing } = differences(table, mask, theirs[i] as Uint8Array);
          const before = ids.slice(0, i).map(text).join("");
          expect([file, before, only.map(text), missing.map(text)]).toEqual([file, before, [], []]);
          compared++;
        }
      }
    }
    peer.end();
    expect(compared).toBeGreaterThan(300);
  },
);
