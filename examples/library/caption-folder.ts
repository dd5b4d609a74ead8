// Writes a caption beside each picture of a folder, four at a time: node caption-folder.ts FOLDER [MODEL]
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Owl, UserError } from "owl3";

const [folder = ".", model = "demo"] = process.argv.slice(2);
const pictures = (await readdir(folder)).filter((name) => /\.(jpe?g|png|webp|avif)$/i.test(name)).sort();

const owl = await Owl.open(model, { cache: true });
const waiting = pictures.values();
await Promise.all([caption(), caption(), caption(), caption()]);
await owl.dispose();

/** Takes one picture after the other. Answers that are asked for at the same time share the passes of the model. */
async function caption(): Promise<void> {
  for (const name of waiting) {
    const chat = owl.chat();
    try {
      const file = path.join(folder, name);
      const text = await chat
        .ask([
          { type: "image", path: file },
          { type: "text", text: "\nWhat is in this picture?" },
        ])
        .text();
      await writeFile(path.join(folder, `${path.parse(name).name}.txt`), `${text}\n`);
      console.log(`${name}: ${text}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error; // a bad file stops no other
      console.error(`${name}: ${error.message}`);
      process.exitCode = 6;
    } finally {
      await chat.dispose();
    }
  }
}
