// A report of ffprobe about a clip comes from a process that a hostile file may have broken.
import { expect, test } from "vitest";
import { FileError } from "../../../src/errors.js";
import { defaultLimits, probeClip } from "../../../src/media/video/probe.js";
import { DecoderFailure, type Runner } from "../../../src/media/video/runner.js";

const stream = { codec_name: "h264", width: 64, height: 48, pix_fmt: "yuv420p", time_base: "1/10" };
const report = (change: object = {}) => JSON.stringify({ streams: [{ ...stream, ...change }], format: {} });

/** Probes a clip whose ffprobe writes these texts; null: it fails with a complaint. */
function probe(json: string | null, packets: string | null = "0,K__\n1,___\n") {
  const runner: Runner = {
    kind: "builtin",
    framesPerRun: 60,
    async probe(_demuxer, args) {
      const text = args.includes("json") ? json : packets;
      if (text === null) throw new DecoderFailure(["moov atom not found"]);
      return { text, complaints: [] };
    },
    decode: () => {
      throw new Error("nothing is decoded here");
    },
    async close() {},
  };
  return probeClip(runner, "mov", "a.mp4", defaultLimits);
}

test("a report gives sizes, rotation and times", async () => {
  const { info } = await probe(report({ side_data_list: [null, {}, { rotation: -90 }] }));
  expect(info).toMatchObject({ frames: 2, width: 48, height: 64, rotation: 270 });
  expect((await probe(report({ tags: { rotate: "90" } }))).info.rotation).toBe(270);
});

test("a decoder that fails at any of its runs is one sentence", async () => {
  const sentence = new FileError("a.mp4 can't be read as a clip: moov atom not found.");
  await expect(probe(null)).rejects.toThrow(sentence);
  await expect(probe(report(), null)).rejects.toThrow(sentence);
});

test("a report that breaks off, or holds other things than it should, is refused", async () => {
  for (const json of ["", '{"streams":[', "null", "[]", '{"format":7'])
    await expect(probe(json)).rejects.toThrow(FileError);
  await expect(probe('{"streams":[null],"format":{}}')).rejects.toThrow("a.mp4 holds no video.");
  const deep = "[".repeat(20_000) + "]".repeat(20_000);
  for (const width of [deep, "null", '"x"', "1.5", "0", "-2", "{}"])
    await expect(probe(report().replace(":64", `:${width}`))).rejects.toThrow("a.mp4 has no picture size");
});
