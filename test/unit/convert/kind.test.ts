import { describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/convert/config.js";
import { contradiction, isAdapter, kindOfTensors } from "../../../src/convert/kind.js";
import type { HyperKind } from "../../../src/native/model.js";
import { headerFor, tinyConfig } from "../../support/checkpoint.js";

const kinds: HyperKind[] = ["fused", "gated_head", "gated_channel"];
const namesOf = (kind: HyperKind) => Object.keys(headerFor(tinyConfig(), kind).header);
const without = (kind: HyperKind, part: string) => namesOf(kind).filter((name) => !name.includes(part));

describe("the kind by the names of tensors", () => {
  test.each(kinds)("%s", (kind) => {
    expect(kindOfTensors(namesOf(kind), "a/b")).toBe(kind);
  });

  test("the MLP's gate is none of the hyper layers'", () => {
    expect(namesOf("fused").some((name) => name.includes("mlp.gate_proj"))).toBe(true);
  });

  const vector = "language_model.model.layers.1.self_attn.gate";
  test.each<[string, string[], string]>([
    [
      "one matrix as projector and no gate",
      without("gated_channel", "self_attn.gate"),
      "vision2text_model.weight, vision2text_model.bias",
    ],
    [
      "two matrices and a gate",
      [...namesOf("fused"), vector],
      `vision2text_model.0.weight, vision2text_model.0.bias, vision2text_model.2.weight, vision2text_model.2.bias, ${vector}`,
    ],
    [
      "both gates",
      [...namesOf("gated_head"), vector],
      `vision2text_model.weight, vision2text_model.bias, ${vector}_proj.0.weight, ${vector}_proj.0.bias, ${vector}`,
    ],
    [
      "a gate by another name",
      [...without("gated_channel", "self_attn.gate"), `${vector}s`],
      `vision2text_model.weight, vision2text_model.bias, ${vector}s`,
    ],
  ])("%s is refused with what there is", (_, names, list) => {
    expect(() => kindOfTensors(names, "a/b")).toThrow(
      `a/b is of no release that is known: besides what all have, its language model and projector hold ${list}.`,
    );
  });

  test("a long list is cut short", () => {
    const many = Array.from({ length: 100 }, (_, i) => `language_model.model.layers.${i}.self_attn.other`);
    expect(() => kindOfTensors([...many, vector], "a/b")).toThrow(/layers\.11\.self_attn\.other and 89 more\.$/);
  });
});

describe("config.json is a witness", () => {
  const crop = (image_size: number) => ({ ...(tinyConfig().vision_config as object), image_size });
  test.each<[Record<string, unknown>, HyperKind[]]>([
    [{}, []],
    [{ vocab_size: 151851 }, ["fused"]],
    [{ vision_config: crop(384) }, ["fused"]],
    [{ vocab_size: 151651 }, ["gated_head", "gated_channel"]],
    [{ vision_config: crop(378) }, ["gated_head", "gated_channel"]],
    [{ vocab_size: 151651, vision_config: crop(384) }, []],
  ])("%j is at odds with %j", (overrides, odds) => {
    const config = parseConfig(tinyConfig(overrides), "config.json");
    expect(kinds.filter((kind) => contradiction(config, kind))).toEqual(odds);
  });

  test("the sentence names both", () => {
    const config = parseConfig(tinyConfig({ vocab_size: 151851 }), "config.json");
    expect(contradiction(config, "fused")).toMatch(/a release before 241101, but the tensors are those of 241101/);
  });
});

test("an adapter has no weights but its own", () => {
  const adapter = ["adapter_config.json", "adapter_model.safetensors", "README.md"];
  expect(isAdapter(adapter)).toBe(true);
  expect(isAdapter([...adapter, "config.json", "tokenizer.json"])).toBe(true);
  expect(isAdapter([...adapter, "model.safetensors"])).toBe(false);
  expect(isAdapter([...adapter, "model.safetensors.index.json"])).toBe(false);
  expect(isAdapter(["model.safetensors", "config.json"])).toBe(false);
});
