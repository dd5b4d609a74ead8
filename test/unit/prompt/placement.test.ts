import { expect, test } from "vitest";
import { placeMedia } from "../../../src/prompt/placement.js";

const text = (t: string) => ({ type: "text", text: t });

test("media go where the prompt says, or first", () => {
  const [a, b] = ["A", "B"];
  expect(placeMedia("hi", [])).toEqual([text("hi")]);
  expect(placeMedia("hi", [a])).toEqual([a, text("\nhi")]);
  expect(placeMedia("hi", [a, b])).toEqual([a, text("\n"), b, text("\nhi")]);
  expect(placeMedia("x <|image|> y <|image|>", [a, b])).toEqual([text("x "), a, text(" y "), b]);
  expect(placeMedia("<|image|> y", [a, b])).toEqual([a, text("\n"), b, text("\n<|image|> y")]);
  expect(placeMedia("<|image|> y", [])).toEqual([text("<|image|> y")]);
  expect(placeMedia("<|image|> y", [a], { literal: true })).toEqual([a, text("\n<|image|> y")]);
  expect(() => placeMedia("<|image|> y", [a, b], { interleave: true })).toThrow("1 <|image|> for 2 pictures");
  expect(() => placeMedia("y", [a], { interleave: true })).toThrow("0 <|image|> for 1 picture or video");
});
