import { expect, test } from "vitest";
import { Owl } from "../../src/chat/owl.js";
import { MemoryError } from "../../src/errors.js";
import { native } from "../../src/native/native.js";
import { converter } from "../support/model.js";

// The plugin of the simulated CUDA reads it when it is loaded: a device of 320 MB, which can be filled.
process.env.OWL3_CUDA_SIM = "memory=320000000";
const device = "cuda-sim";

const free = () =>
  native()
    .systemInfo()
    .devices.find(({ id }) => id === `${device}:0`)?.freeMemory as number;

test("a second answer is not asked for the scratch that the first one left, and is refused where it does not fit", {
  timeout: 120_000,
}, async () => {
  const file = await converter("golden/model")("f32");
  await using owl = await Owl.openWith(native(), file, { device });
  const ask = () => owl.chat({ contextLength: 192 }).ask("Hello", { maxTokens: 2 }).result();
  const [part] = (await ask()).memory.devices;
  if (!part) throw new Error("the plan names no device");
  const answer = part.total - part.weights;
  // Another model's embeddings fill the device up to the bytes that are to be left.
  const other = await native().openModel(file, { device });
  const values = other.config.cropTokens * other.config.hiddenSize;
  const leave = (bytes: number) => {
    const crops = Math.floor((free() - bytes) / (4 * values));
    return other.embedsFrom(new Float32Array(crops * values), crops);
  };
  const most = leave(answer - part.scratch / 4);
  const second = (await ask()).memory.devices[0];
  expect(second?.heldScratch).toBeGreaterThan(part.scratch / 4);
  expect(second?.freeMemory).toBeLessThan(answer);
  const rest = leave(4e6); // the driver gives memory by 2 MiB
  const refused = ask();
  await expect(refused).rejects.toThrow(MemoryError);
  await expect(refused).rejects.toThrow(
    /^this needs [\d.]+ .B more memory \(.+\) and [\d.]+ .B of cuda-sim:0 \(.+\) are free\.$/,
  );
  rest.dispose();
  other.embedsFrom(new Float32Array(values), 1).dispose(); // memory is free once the work behind it is done
  await ask();
  most.dispose();
  other.dispose();
});
