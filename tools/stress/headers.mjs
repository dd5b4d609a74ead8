#!/usr/bin/env node
/**
 * Heads of files of all kinds, damaged, and damaged reports of ffprobe about a clip: node tools/stress/headers.mjs [--count N] [--seed N] [--minutes N].
 * Build first (npm run build).
 *
 * A head must be taken for one kind, a playlist for none; a report must be refused with a sentence or give sizes, times and runs of the decoder that
 * hang together. The last line is "N passed, N failed".
 */
import { FileError, UserError } from "../../dist/errors.js";
import { isPicture } from "../../dist/media/sequence.js";
import { dataUrl, openSource } from "../../dist/media/source.js";
import { unsupported } from "../../dist/media/unsupported.js";
import { containerOf, isPlaylist } from "../../dist/media/video/container.js";
import { planRuns } from "../../dist/media/video/ffmpeg-clip.js";
import { defaultLimits, probeClip } from "../../dist/media/video/probe.js";
import { cleanLog, DecoderFailure } from "../../dist/media/video/runner.js";
import { sampleFrames } from "../../dist/media/video/sampling.js";
import { caseOptions, demand, mutateBytes, mutateJson, runCases, strange, survive } from "./cases.mjs";

const brands = ["isom", "mp42", "qt  ", "avif", "avis", "heic", "hevc", "mif1", "\0\0\0\0"];
const heads = [
  ...brands.map((brand) => `\0\0\0\x20ftyp${brand}\0\0\x02\0isomiso2`),
  ...["moov", "mdat", "wide", "free", "skip", "pnot", "uuid"].map((atom) => `\0\0\0\x08${atom}`),
  ..."\x1a\x45\xdf\xa3\x9f\x42\x86|RIFF\x24\0\0\0AVI LIST|RIFF\x24\0\0\0WEBPVP8 |RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\x02|GIF87a|GIF89a".split(
    "|",
  ),
  ..."\xff\xd8\xff\xe0\0\x10JFIF|\x89PNG\r\n\x1a\n\0\0\0\rIHDR|II*\0\x08\0\0\0|MM\0*|BM\x10\0\0\0\0\0\0\0|\0\0\x01\0|%PDF-1.7|8BPS|P6 1 1".split(
    "|",
  ),
  ..."#EXTM3U\n#EXT-X|ffconcat version 1.0|[playlist]|<MPD |<?xml version|<playlist|<smil|file 'a.mp4'|\xef\xbb\xbf#EXTM3U| \n<svg |ID3\x03|OggS|RIFF\x24\0\0\0WAVE".split(
    "|",
  ),
];

function head(draw) {
  const start = Buffer.from(draw.pick(heads), "latin1");
  const rest = Buffer.from(draw.list(80, () => draw.below(256)));
  const whole = Buffer.concat(draw.oneIn(6) ? [Buffer.from(draw.pick(heads), "latin1"), start, rest] : [start, rest]);
  return draw.oneIn(2) ? whole : mutateBytes(draw, whole);
}

async function checkHead(draw) {
  const bytes = head(draw);
  const container = containerOf(bytes);
  demand(!(isPlaylist(bytes) && container), "a playlist is taken for a clip");
  const source = await survive(UserError, () => openSource(bytes, { name: "it" }));
  demand((source !== undefined) === (isPicture(bytes) || container !== null), "a kind that is told is not opened");
  if (source !== undefined)
    demand(source.container === container && ["image", "video"].includes(source.kind), "another kind");
  const foreign = unsupported(bytes, "it");
  demand(foreign === undefined || /^it is .*\.$/.test(foreign), () => `no sentence: ${foreign}`);
  const log = cleanLog(bytes.toString("latin1").slice(-500)); // runners keep more, in lines
  demand(
    log.length <= 20 && log.every((line) => line.length <= 200 && !/\p{C}/u.test(line)),
    "a log that steers a terminal",
  );
  const url = mutateBytes(draw, Buffer.from(`data:;base64,${bytes.toString("base64")}`)).toString("latin1");
  await survive(UserError, () => dataUrl(url));
}

const words = [
  ...strange,
  "h264",
  "av1",
  "vp8",
  "yuv420p",
  "yuvj420p",
  "rgb24",
  "bt709",
  "pc",
  "1/0",
  "0/1",
  "30000/1001",
  "1/12800",
  "-1/1",
  1e9,
  "N/A",
  90,
  -90,
  "nan",
];

/** Writes as ffprobe does about a clip: its stream, then a line for each packet, or for each frame. */
function report(draw) {
  const stream = {
    codec_name: draw.pick(["h264", "vp8", "mpeg4"]),
    width: draw.pick([64, 2, 7680]),
    height: draw.pick([48, 3, 4320]),
    pix_fmt: draw.pick(["yuv420p", "yuvj420p", "yuv444p"]),
    color_space: draw.pick(["bt709", "unknown"]),
    avg_frame_rate: draw.pick(["25/1", "0/0"]),
    time_base: draw.pick(["1/12800", "1/1000"]),
    ...(draw.oneIn(3) && { side_data_list: [{}, { rotation: -90 }], tags: { rotate: "90" } }),
  };
  const json = { streams: [stream], format: { start_time: "0.000000" } };
  const lines = draw.list(
    12,
    (_, i) =>
      `${draw.oneIn(6) ? draw.pick(["N/A", "", "-5", "9".repeat(30), "1e5", "0"]) : i * 512},${draw.pick(["K__", "___", "_D_", "KD_", ""])}`,
  );
  const frames = draw.list(12, (_, i) => `${draw.below(2)},${draw.oneIn(6) ? draw.pick(["N/A", "", "x"]) : i * 512}`);
  const damaged = (text) => (draw.oneIn(3) ? mutateBytes(draw, Buffer.from(text)).toString() : text);
  return {
    stream: draw.oneIn(2) ? mutateJson(draw, json, words) : JSON.stringify(json),
    packets: damaged(lines.join("\n")),
    frames: damaged(frames.join("\n")),
  };
}

async function checkReport(draw) {
  const { stream, packets, frames } = report(draw);
  const complaints = draw.list(2, () => draw.pick(["moov atom not found", "x"]));
  const fails = draw.oneIn(8) ? draw.pick(["json", "packet", "frame"]) : "";
  const runner = {
    kind: draw.pick(["builtin", "system"]),
    framesPerRun: 60,
    async probe(_, args) {
      const entries = args.join(" ");
      const [kind, text] = entries.includes("json")
        ? ["json", stream]
        : entries.includes("packet=")
          ? ["packet", packets]
          : ["frame", frames];
      if (fails === kind) throw new DecoderFailure(complaints);
      return { text, complaints };
    },
    async close() {},
  };
  const container = draw.pick(["mov", "matroska", "avi"]);
  const probe = await survive(FileError, () => probeClip(runner, container, "it", defaultLimits));
  if (probe === undefined) return;
  const { info, timeline } = probe;
  const shown = () => `of ${stream.slice(0, 400)}`;
  for (const key of ["width", "height", "frames"])
    demand(Number.isSafeInteger(info[key]) && info[key] > 0, () => `${key} is ${info[key]} ${shown()}`);
  demand(info.width * info.height <= defaultLimits.pixels, () => `${info.width} x ${info.height} ${shown()}`);
  demand(
    Number.isFinite(info.duration) && info.duration >= 0 && Number.isFinite(info.fps),
    () => `${info.duration} s ${shown()}`,
  );
  demand(
    timeline.times.every((time, i) => time >= (timeline.times[i - 1] ?? 0)),
    () => `times are ${timeline.times} ${shown()}`,
  );
  const chosen = sampleFrames(timeline.times, info.duration, { maxFrames: 1 + draw.below(16) });
  demand(
    chosen.length > 0 && chosen.every((k, i) => k > (chosen[i - 1] ?? -1) && k < info.frames),
    () => `frames ${chosen} ${shown()}`,
  );
  const runs = planRuns(timeline, chosen, 3);
  demand(runs.flatMap((run) => run.indices).join() === chosen.join(), () => `runs lose frames ${shown()}`);
  for (const run of runs)
    demand(run.seek === null || Number.isFinite(run.seek), () => `seeks to ${run.seek} ${shown()}`);
}

await runCases(caseOptions(100_000), async (draw) => {
  await checkHead(draw);
  await checkReport(draw);
});
