import type { FileHandle } from "node:fs/promises";
import { FileError, systemReason } from "../../errors.js";
import { replaceBy } from "../../files.js";

export interface DumpTensor {
  name: string;
  shape: number[];
  /** The values in pieces, each of which is made when it is written, so that they need not be in memory together. */
  pieces: (() => Float32Array)[];
}

/** Writes float32 tensors as a safetensors file: to a temporary file, which is renamed at the end. The machine must be little-endian. */
export async function writeSafetensors(path: string, tensors: readonly DumpTensor[]): Promise<void> {
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const { name, shape } of tensors) {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = JSON.stringify(header);
  const head = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8, " "));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));

  const write = async (file: FileHandle): Promise<void> => {
    await file.writeFile(size);
    await file.writeFile(head);
    for (const { pieces } of tensors)
      for (const piece of pieces) {
        const values = piece();
        await file.writeFile(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
    await file.sync();
  };
  await replaceBy(path, 0o666, write).catch((error) => {
    throw new FileError(`${path} can't be written: ${systemReason(error)}.`, { cause: error });
  });
}
