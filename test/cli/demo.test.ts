import { expect, test } from "vitest";
import { folder, run } from "../support/cli.js";

/** The first run: nothing pulled, nothing configured. */
function owl3(...args: string[]) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(OWL3|XDG)_/.test(name));
  return run(args, { env: { ...Object.fromEntries(kept), HOME: folder, USERPROFILE: folder } });
}

const note =
  "Using the small demo model, which knows simple shapes only. `owl3 pull 2b` fetches a released model, -m 2b uses it.\n";

test("a picture: the answer on stdout, one line on stderr that names the command for a released model", () => {
  const ask = ["chat", "examples/shapes.png", "-p", "What is in this picture?"];
  const out =
    "A large red circle at the top left, a small blue star in the center and a large green ring at the bottom right.\n";
  expect(owl3(...ask)).toEqual({ code: 0, out, err: note });
  expect(owl3(...ask, "-q")).toEqual({ code: 0, out, err: "" });
});

test("the note does not come before an error of the input", () => {
  const lost = owl3("chat", "nowhere.png", "What is it?");
  expect(lost).toMatchObject({ code: 3, out: "" });
  expect(lost.err).toMatch(/^owl3: there is no file nowhere\.png[^\n]*\n$/);
});

test("two pictures, a place, a count, a clip, an animation", () => {
  const cases: [string[], string][] = [
    [["chat", "examples/before.png", "examples/after.png", "Which picture shows a red square?"], "Picture 2.\n"],
    [["chat", "examples/print.png", "Where is the triangle?"], "At the top right.\n"],
    [["chat", "examples/six.png", "How many shapes are there?"], "Six.\n"],
    [["video", "examples/moving.mp4", "What happens?"], "A red circle moves to the right.\n"],
    [["video", "examples/appears.mp4", "What appears?"], "A yellow star.\n"],
    [
      ["video", "examples/order.gif", "In which order do the shapes appear?"],
      "Green circle, purple cross, red star.\n",
    ],
  ];
  for (const [args, out] of cases) expect([args, owl3(...args)]).toEqual([args, { code: 0, out, err: note }]);
});

test("a question outside its world gets a short honest answer", () => {
  const sorry = "I only know simple shapes, colors, small letters and digits.\n";
  expect(owl3("chat", "examples/shapes.png", "Who won the match?", "-q").out).toBe(sorry);
  expect(owl3("chat", "-p", "What is a convolution?", "-q").out).toBe(sorry);
  expect(owl3("chat", "-p", "What is in this picture?", "-q").out).toBe("I see no picture.\n");
});
