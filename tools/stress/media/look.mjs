// The process that opens what the command media.mjs gives it, a line of JSON each, and answers with a line.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { FileError, UserError } from "../../../dist/errors.js";
import { readImage } from "../../../dist/media/image.js";
import { openSource } from "../../../dist/media/source.js";
import { openClip, sampleFrames } from "../../../dist/media/video.js";
import { demand } from "../cases.mjs";

const frames = 8;

async function picture(source, raw) {
  const { width, height, data } = await readImage(source);
  demand(width > 0 && height > 0 && data.length === 3 * width * height, `${data.length} bytes of ${width} x ${height}`);
  if (raw) writeFileSync(raw, data);
  return { width, height };
}

async function clip(source, decoder) {
  const opened = await openClip(source, { decoder });
  try {
    const { width, height } = opened.info;
    const wanted = sampleFrames(opened.times, opened.info.fps, { maxFrames: frames });
    let seen = 0;
    for await (const { index, image } of opened.decode(wanted)) {
      demand(index === wanted[seen++], `frame ${index} comes where ${wanted[seen - 1]} was wanted`);
      demand(
        image.width === width && image.height === height && image.data.length === 3 * width * height,
        "a frame of another size",
      );
    }
    demand(seen === wanted.length, `${seen} of ${wanted.length} frames, and no error`);
    return { width, height };
  } finally {
    await opened.close();
  }
}

/** Opens a file as a picture, or as a clip with a decoder, and says what came of it. */
async function look({ file, as, decoder, raw }) {
  try {
    const source = await openSource(file, { name: "it" });
    return { outcome: "decoded", ...(as === "clip" ? await clip(source, decoder) : await picture(source, raw)) };
  } catch (error) {
    if (!(error instanceof UserError)) return { outcome: "broken", why: error.stack };
    const { message } = error;
    if (!(error instanceof FileError) || !/^[^\n]{1,400}\.$/.test(message))
      return { outcome: "broken", why: `exit code ${error.exitCode}: ${message}` };
    return { outcome: "refused", why: message };
  }
}

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await look(JSON.parse(line))));
