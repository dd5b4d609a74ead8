// Runs the engine for check.py: node run.mjs FOLDER. FOLDER holds model/, cases.json and tensors.safetensors. The script writes FOLDER/TYPE.gguf
// and, for each type, precision and case, FOLDER/TYPE-PRECISION-CASE.{embeds,logits}.f32, and the greedy ids to FOLDER/answers.json. It needs a
// build (npm run build).
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { convertCheckpoint } from "../../dist/convert/convert.js";
import { native } from "../../dist/native/native.js";

const folder = process.argv[2];
const runs = [
  ["f32", "auto"],
  ["bf16", "auto"],
  ["q8_0", "exact"],
  ["q8_0", "auto"],
  ["q4_k_m", "exact"],
  ["q4_k_m", "auto"],
];
const cases = JSON.parse(readFileSync(path.join(folder, "cases.json"), "utf8"));
const tensorFile = path.join(folder, "tensors.safetensors");
const raw = readFileSync(tensorFile);
const tensors = new Map((await native().readSafetensors(tensorFile)).map((tensor) => [tensor.name, tensor]));
const key = (c) => c.name.replaceAll(" ", "_");

function pixels(c) {
  const tensor = tensors.get(`${key(c)}/pixel_values`);
  const [n, , s] = tensor.shape;
  const out = new Uint8Array(tensor.bytes);
  for (let crop = 0; crop < n; crop++)
    for (let channel = 0; channel < 3; channel++)
      for (let i = 0; i < s * s; i++)
        out[(crop * s * s + i) * 3 + channel] = raw[tensor.offset + (crop * 3 + channel) * s * s + i];
  return out;
}

const answers = {};
for (const [type, precision] of runs) {
  const file = path.join(folder, `${type}.gguf`);
  if (precision === "exact" || type === "f32" || type === "bf16")
    await convertCheckpoint(path.join(folder, "model"), file, { type });
  const model = await native().openModel(file, { precision });
  for (const c of cases) {
    const name = `${type}-${precision}-${key(c)}`;
    const embeds = c.media_offset.length > 0 ? await model.encode(pixels(c), c.media_offset.length) : undefined;
    if (embeds) writeFileSync(path.join(folder, `${name}.embeds.f32`), embeds.toFloat32());
    const session = model.createSession({ contextLength: 1024, kvType: "f32", prefillChunk: 64 });
    const sequence = session.create();
    const append = async (ids, media) =>
      (await session.advance([{ sequence, ids: Int32Array.from(ids), media, logits: true }]))[0].logits;
    let row;
    for (let start = 0; start < c.input_ids.length; start += 64) {
      const end = Math.min(start + 64, c.input_ids.length);
      const media = c.media_offset.flatMap((offset, crop) =>
        offset >= start && offset < end ? [{ offset, embeds, crop }] : [],
      );
      row = await append(c.input_ids.slice(start, end), media);
    }
    writeFileSync(path.join(folder, `${name}.logits.f32`), row);
    answers[name] = [];
    for (let i = 0; i < c.greedy_ids.length; i++) {
      const id = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
      answers[name].push(id);
      row = await append([id], []);
    }
    session.dispose();
    embeds?.dispose();
  }
  model.dispose();
}
writeFileSync(path.join(folder, "answers.json"), JSON.stringify(answers));
