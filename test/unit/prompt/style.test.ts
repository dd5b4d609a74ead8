import { expect, test } from "vitest";
import { defaultStyle, promptStyle } from "../../../src/prompt/style.js";

const kind = "mplugowl3.hyper_attention.kind";
const template = "mplugowl3.prompt.cut_template";

test("a file that says nothing is 241101's; gated ones cut a picture that is alone", () => {
  expect(promptStyle({}, "x.gguf")).toEqual(defaultStyle);
  expect(promptStyle({ [kind]: "fused" }, "x.gguf")).toEqual(defaultStyle);
  expect(promptStyle({ [kind]: "gated_channel", [template]: "v3" }, "x.gguf")).toEqual({
    template: "v3",
    cut: "alone",
    mixed: true,
  });
  expect(promptStyle({ [kind]: "gated_head", [template]: "v2" }, "x.gguf")).toEqual({
    template: "v2",
    cut: "alone",
    mixed: false,
  });
});

test("any other template is refused by the key's name", () => {
  for (const value of ["v1", 2, ["v2"], true])
    expect(() => promptStyle({ [template]: value }, "x.gguf")).toThrow(
      'x.gguf: mplugowl3.prompt.cut_template must be "v2" or "v3"',
    );
});
