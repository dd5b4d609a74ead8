// Tells how probable answers are instead of letting the model write: node score-answers.ts PICTURE [MODEL]
import { type InputMessage, Owl } from "owl3";

const [picture = "photo.jpg", model = "demo"] = process.argv.slice(2);
const about = (question: string): InputMessage[] => [
  {
    role: "user",
    content: [
      { type: "image", path: picture },
      { type: "text", text: `\n${question}` },
    ],
  },
];

const owl = await Owl.open(model);

const { candidates } = await owl.score(about("What color is the star?"), ["Red.", "Green.", "Blue."]);
for (const { text, share } of candidates.sort((a, b) => b.share - a.share))
  console.log(`${(100 * share).toFixed(1).padStart(5)} %  ${text}`);

const { yes } = await owl.yesNo(about("Is there a ring?"));
console.log(`There is a ring: ${(100 * yes).toFixed(0)} %`);

await owl.dispose();
