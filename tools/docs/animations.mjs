#!/usr/bin/env node
/**
 * Makes the moving pictures that the README shows for the clips of examples, since a page can't show a clip of its repository:
 * node tools/docs/animations.mjs. The clips are decoded by owl3 (needs dist/).
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { openClip } from "../../dist/media/video.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const width = 200;
const framesASecond = 5;

for (const name of ["moving", "appears"]) {
  const clip = await openClip(path.join(root, `examples/${name}.mp4`), { decoder: "builtin" });
  const step = Math.max(1, Math.round(clip.info.fps / framesASecond));
  const indices = Array.from(clip.times, (_, i) => i).filter((i) => i % step === 0);
  const frames = [];
  for await (const { image } of clip.decode(indices)) {
    const raw = { width: image.width, height: image.height, channels: 3 };
    frames.push(await sharp(image.data, { raw }).resize({ width }).png().toBuffer());
  }
  await clip.close();
  const delay = Math.round((1000 * step) / clip.info.fps);
  const file = path.join(root, `docs/pictures/${name}.gif`);
  await sharp(frames, { join: { animated: true } })
    .gif({ delay: frames.map(() => delay), loop: 0, interFrameMaxError: 4, colours: 64, dither: 0 })
    .toFile(file);
}
