import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import path from "node:path";

/** A model file in a header. */
export interface ModelFingerprint {
  name: string;
  bytes: number;
  fingerprint: string;
}

const headBytes = 2 ** 20;
const samples = 64;
const sampleBytes = 16 * 2 ** 10;

/**
 * Tells model files apart without reading all of them: a hash of the size, the first MiB (the header, which names every tensor) and 64 pieces of 16 KiB
 * spread over the weights.
 */
export async function fingerprint(file: string): Promise<ModelFingerprint> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const hash = createHash("sha256").update(String(size));
    const add = async (length: number, at: number): Promise<void> => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at);
      hash.update(buffer.subarray(0, bytesRead));
    };
    await add(headBytes, 0);
    for (let i = 0; i < samples; i++) await add(sampleBytes, Math.floor((size * i) / samples));
    return { name: path.basename(file), bytes: size, fingerprint: hash.digest("hex") };
  } finally {
    await handle.close();
  }
}
