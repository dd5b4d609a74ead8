// Asks two questions about a clip, the second without looking again: node ask-about-a-clip.ts CLIP [MODEL]
import { type InputPart, type OnProgress, Owl } from "owl3";

const [clip = "clip.mp4", model = "demo"] = process.argv.slice(2);

const owl = await Owl.open(model);
const chat = owl.chat({ video: { fps: 1, maxFrames: 16 } });
const question: InputPart[] = [
  { type: "video", path: clip },
  { type: "text", text: "\nWhat happens?" },
];
const onProgress: OnProgress = (progress) => {
  if (progress.stage === "encode") console.error(`looked at ${progress.done} of ${progress.total} frames`);
};
for await (const piece of chat.ask(question, { onProgress })) process.stdout.write(piece.text);
process.stdout.write("\n");

const { text, usage } = await chat.ask("What moves?").result();
console.log(text);
console.error(
  `${usage.encodedCrops} frames were looked at for the second answer, ${usage.prefilledTokens} tokens read.`,
);

await owl.dispose();
