import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { Binding } from "../native/binding.js";
import { nativeCall } from "../native/native.js";

/**
 * Computes the SHA-256 of all that turns pixels into embeddings in a model file: names, types, shapes and bytes of the vision tower and the
 * projector, and the vision metadata. Two files that differ only in the language model have the same hash.
 */
export async function hashVisionWeights(binding: Pick<Binding, "readGguf">, path: string): Promise<string> {
  const { tensors, metadata } = await nativeCall(() => binding.readGguf(path));
  const hash = createHash("sha256");
  for (const key of Object.keys(metadata)
    .filter((name) => name.includes(".vision."))
    .sort())
    hash.update(`${key}=${String(metadata[key])}\n`);
  const file = await open(path, "r");
  try {
    const piece = Buffer.alloc(4 << 20);
    const vision = tensors.filter(({ name }) => /^(v|mm)\./.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, type, shape, offset, bytes } of vision) {
      hash.update(`${name} ${type} ${shape.join("x")}\n`);
      for (let at = 0; at < bytes; ) {
        const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, bytes - at), offset + at);
        if (bytesRead === 0) throw new Error(`${path} was cut short while it was read`);
        hash.update(piece.subarray(0, bytesRead));
        at += bytesRead;
      }
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}
