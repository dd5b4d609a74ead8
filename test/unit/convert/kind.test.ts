import { describe, expect, test } from "vitest";
import { isAdapter, kindOfConfig, kindOfTensors, type ModelKind, refuseGated } from "../../../src/convert/kind.js";
import { headerFor, tinyConfig } from "../../support/checkpoint.js";

const crop = (image_size: number | undefined) => ({ ...(tinyConfig().vision_config as object), image_size });

describe("the kind of a config.json", () => {
  test.each<[ModelKind, string, Record<string, unknown>]>([
    ["241101", "a small one", {}],
    ["241101", "7B", { vocab_size: 151651, tie_word_embeddings: false, vision_config: crop(378) }],
    ["241101", "an older transformers that writes no model_type", { model_type: undefined }],
    ["241014", "1B", { vocab_size: 151851, vision_config: crop(384) }],
    ["241014", "2B with the crop that is the default of its class", { vision_config: crop(undefined) }],
    ["241014", "the vocabulary alone", { vocab_size: 151851 }],
    ["240728", "7B", { vocab_size: 151851, tie_word_embeddings: false, vision_config: crop(384) }],
    ["240728", "the crop alone, untied by default", { tie_word_embeddings: undefined, vision_config: crop(384) }],
    ["unknown", "another family", { model_type: "qwen2_vl", vision_config: crop(384) }],
    ["unknown", "a model_type of another type", { model_type: ["mplugowl3"] }],
  ])("%s: %s", (kind, _, overrides) => {
    expect(kindOfConfig(tinyConfig(overrides))).toBe(kind);
  });

  test.each([null, undefined, [], "mplugowl3", 384])("unknown: %j", (json) => {
    expect(kindOfConfig(json)).toBe("unknown");
  });

  test("fields of any type are no reason to fail", () => {
    for (const value of [null, [], {}, "384", Number.NaN])
      expect(kindOfConfig({ vocab_size: value, tie_word_embeddings: value, vision_config: value })).not.toBe("unknown");
  });
});

test("gates of hyper layers tell the kind by the tensors; the MLP's gate is none of them", () => {
  const names = Object.keys(headerFor(tinyConfig()).header);
  const layer = "language_model.model.layers.1.self_attn";
  expect(names.some((name) => name.includes("mlp.gate_proj"))).toBe(true);
  expect(kindOfTensors(names)).toBe("241101");
  expect(kindOfTensors([...names, `${layer}.gate`])).toBe("241014");
  expect(kindOfTensors([...names, `${layer}.gate_proj.0.weight`, `${layer}.gate_proj.0.bias`])).toBe("240728");
});

test("gated kinds are refused by name, others are not", () => {
  for (const kind of ["241014", "240728"] as const)
    expect(() => refuseGated(kind, "a/b")).toThrow(new RegExp(`^a/b describes an mPLUG-Owl3 of ${kind}, .*\\.$`));
  for (const kind of ["241101", "unknown"] as const) expect(() => refuseGated(kind, "a/b")).not.toThrow();
});

test("an adapter has no weights but its own", () => {
  const adapter = ["adapter_config.json", "adapter_model.safetensors", "README.md"];
  expect(isAdapter(adapter)).toBe(true);
  expect(isAdapter([...adapter, "config.json", "tokenizer.json"])).toBe(true);
  expect(isAdapter([...adapter, "model.safetensors"])).toBe(false);
  expect(isAdapter([...adapter, "model.safetensors.index.json"])).toBe(false);
  expect(isAdapter(["model.safetensors", "config.json"])).toBe(false);
});
