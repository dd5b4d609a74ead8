// Asks a running `owl3 serve`, here or elsewhere: node use-a-server.ts PICTURE [ADDRESS]; a key is taken from $OWL3_API_KEY
import { type InputPart, OwlClient } from "owl3";

const [picture = "photo.jpg", address = "http://127.0.0.1:8080"] = process.argv.slice(2);

const client = new OwlClient(address, { apiKey: process.env.OWL3_API_KEY });
const content: InputPart[] = [
  { type: "image", path: picture },
  { type: "text", text: "What is in this picture?" },
];
for await (const text of client.answer([{ role: "user", content }], { maxTokens: 100 })) process.stdout.write(text);
process.stdout.write("\n");
