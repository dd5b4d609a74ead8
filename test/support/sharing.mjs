// Asks the demo model some questions in three ways and prints the answers as JSON: each alone in a model that was just opened, all at once, and
// each when the one before has begun. Needs a build (npm run build); OWL3_ISA chooses the kernels.
import { Owl } from "../../dist/chat/owl.js";
import { demoModel } from "../../dist/models/folder.js";
import { native } from "../../dist/native/native.js";
import { heldOut, readQuestions } from "../../tools/demo-model/held-out.mjs";

const asked = [
  ["001.12", {}],
  ["001.12", { temperature: 1.5, seed: 7, repetitionPenalty: 1.1 }], // about the same picture
  ["001.10", { draft: "lookup" }],
  ["704.561", { temperature: 0.8, topP: 0.9, seed: 3, draft: "lookup" }], // a video
  ["303.380", { beams: 3 }], // two pictures
  ["800.666", { beams: 4, repetitionPenalty: 1.2 }], // no picture
  ["800.664", {}, { kvType: "q8_0" }],
];
const questions = new Map(readQuestions(heldOut).map((question) => [question.id, question]));

let passes = 0;
/** The addon, whose passes are counted. */
const binding = Object.create(native(), {
  openModel: {
    value: async (...args) => {
      const model = await native().openModel(...args);
      return new Proxy(model, {
        get: (target, key) => {
          if (key === "createSession") return (options) => counted(target.createSession(options));
          const value = target[key];
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  },
});
function counted(session) {
  return new Proxy(session, {
    get: (target, key) => {
      if (key === "advance") passes++;
      const value = target[key];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** What the engine says, without times; `begun` is called with the first token. */
async function answer(owl, [id, options, chatOptions], begun = () => {}) {
  const { messages, cut } = questions.get(id);
  const chat = owl.chat({ messages, cut, ...chatOptions });
  const answer = chat.answer({ maxTokens: 40, logprobs: 2, ...options });
  const pieces = [];
  for await (const piece of answer) {
    pieces.push(piece);
    begun();
  }
  const { text, tokens, finishReason } = await answer.result();
  await chat.dispose();
  return { id, text, tokens, finishReason, pieces: pieces.map((piece) => piece.text) };
}

async function measured(work) {
  const before = passes;
  const answers = await work();
  return { answers, passes: passes - before };
}

const alone = await measured(async () => {
  const answers = [];
  for (const question of asked) {
    const owl = await Owl.openWith(binding, demoModel);
    answers.push(await answer(owl, question));
    await owl.dispose();
  }
  return answers;
});

const owl = await Owl.openWith(binding, demoModel);
const together = await measured(() => Promise.all(asked.map((question) => answer(owl, question))));
await owl.dispose();

const other = await Owl.openWith(binding, demoModel);
const staggered = await measured(() => {
  let before = Promise.resolve();
  return Promise.all(
    asked.map((question) => {
      const start = before;
      const { promise, begun } = beginning();
      before = promise;
      return start.then(() => answer(other, question, begun));
    }),
  );
});
await other.dispose();
console.log(JSON.stringify({ alone, together, staggered }));

function beginning() {
  let begun;
  const promise = new Promise((resolve) => {
    begun = resolve;
  });
  return { promise, begun };
}
