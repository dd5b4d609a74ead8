// llguidance (PyPI) beside owl3: a process that gives its masks, and what differs between two masks. masks.mjs and a test use it.
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";

/** Starts llguidance_masks.py over tokens: `bytes` of all of them, `starts` of each, and the id that ends an answer. */
export function llguidance(python, { bytes, starts, end }) {
  const child = spawn(python, [path.join(import.meta.dirname, "llguidance_masks.py")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const send = (value) => child.stdin.write(`${JSON.stringify(value)}\n`);
  const token = (id) => Buffer.from(bytes.subarray(starts[id], starts[id + 1])).toString("base64");
  send({ tokens: Array.from({ length: end + 1 }, (_, id) => token(id)), end });
  return {
    /** The masks before each id of an answer, or { error }. */
    masks: async (schema, ids) => {
      send({ schema, ids });
      const { error, masks } = JSON.parse((await lines.next()).value);
      return { error, masks: masks?.map((mask) => Buffer.from(mask, "base64")) };
    },
    end: () => child.stdin.end(),
  };
}

/**
 * The ids that only one of two masks allows: owl3's, as 32-bit words, or llguidance's. Left out are the end, tokens with escapes, of which owl3 writes fewer,
 * and with U+007F, which llguidance never writes; where it leaves one token, since the text must go on so, owl3 may have other tokens of that text.
 */
export function differences({ bytes, starts, end }, ours, theirs) {
  const [only, missing] = [[], []];
  let allowed = 0;
  for (let id = 0; id <= end; id++) {
    const b = (theirs[id >> 3] >>> (id & 7)) & 1;
    allowed += b;
    if (id === end || starts[id] === starts[id + 1]) continue;
    const a = (ours[id >> 5] >>> (id & 31)) & 1;
    if (a === b || bytes.subarray(starts[id], starts[id + 1]).some((byte) => byte === 0x5c || byte === 0x7f)) continue;
    (a ? only : missing).push(id);
  }
  if (allowed === 1 && missing.length === 0) only.length = 0;
  return { only, missing };
}
