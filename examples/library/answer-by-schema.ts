// Gets an answer as data of a known shape, whatever the model is: node answer-by-schema.ts PICTURE [MODEL]
import { type InputPart, Owl } from "owl3";

const [picture = "photo.jpg", model = "demo"] = process.argv.slice(2);
const schema = {
  type: "object",
  properties: {
    shape: { enum: ["circle", "square", "star", "ring"] },
    color: { enum: ["red", "green", "blue"] },
    count: { type: "integer", minimum: 0, maximum: 9 },
  },
  required: ["shape", "color", "count"],
  additionalProperties: false, // otherwise the model may add others without end
};
interface Thing {
  shape: string;
  color: string;
  count: number;
}

const owl = await Owl.open(model);
const chat = owl.chat();
const question = "\nWhat is in the center? Give its shape, its color and how many there are.";
const content: InputPart[] = [
  { type: "image", path: picture },
  { type: "text", text: question },
];
const { text, finishReason } = await chat.ask(content, { format: { schema } }).result();
if (finishReason !== "stop") throw new Error("The answer was cut off, so it is not yet valid.");
const thing: Thing = JSON.parse(text);
console.log(thing);
await owl.dispose();
