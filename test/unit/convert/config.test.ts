import { describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/convert/config.js";
import { runVisionLayers, storedShape, tensorLayout } from "../../../src/convert/layout.js";
import { tinyConfig } from "../../support/checkpoint.js";

const parse = (overrides: Record<string, unknown> = {}) => parseConfig(tinyConfig(overrides), "config.json");

describe("config.json", () => {
  test("sizes, 0-based hyper layers, the side of a crop in whole patches", () => {
    const config = parse({ hyper_layers: [2, 1] });
    expect(config).toMatchObject({
      numLayers: 2,
      headDim: 32,
      numKvHeads: 1,
      hyperLayers: [0, 1],
      ropeTheta: 1e6,
      tied: true,
    });
    expect(config.vision).toMatchObject({ imageSize: 30, readSize: 28, positions: 4, eps: 1e-6 });
    expect(runVisionLayers(config.vision)).toBe(1);
  });

  test("crops of 384 pixels where none are given, the default of their class", () => {
    const vision = { ...(tinyConfig().vision_config as object), image_size: undefined };
    expect(parse({ vision_config: vision }).vision).toMatchObject({ imageSize: 384, readSize: 378, positions: 729 });
  });

  test("rope_theta in either place", () => {
    expect(parse({ rope_theta: undefined }).ropeTheta).toBe(10000);
    expect(parse({ rope_theta: undefined, rope_parameters: { rope_theta: 5e5, rope_type: "default" } }).ropeTheta).toBe(
      5e5,
    );
    expect(() => parse({ rope_parameters: { rope_type: "yarn" } })).toThrow(
      /rope_parameters: rope_type must be "default"/,
    );
  });

  test.each<[Record<string, unknown>, RegExp]>([
    [{ num_attention_heads: 3 }, /hidden_size must be an even multiple of the 3 heads, found 64/],
    [{ num_attention_heads: 8, num_key_value_heads: 3 }, /num_key_value_heads must be a divisor/],
    [{ num_hidden_layers: 1e9 }, /num_hidden_layers must be an integer from 1 to 1024, found 1000000000/],
    [{ hyper_layers: [1, 1] }, /hyper_layers must be a list of distinct integers/],
    [{ hyper_layers: undefined }, /hyper_layers must be .*, found nothing/],
    [{ vision_config: undefined }, /vision_config: patch_size must be .*, found nothing|vision_config/],
    [{ rms_norm_eps: 0 }, /rms_norm_eps must be a positive number, found 0/],
    [{ use_sliding_window: true }, /use_sliding_window must be false/],
    [{ hidden_act: "gelu" }, /hidden_act must be "silu"/],
    [{ tie_word_embeddings: "yes" }, /tie_word_embeddings must be true or false, found "yes"/],
  ])("refuses %j", (overrides, message) => {
    expect(() => parse(overrides)).toThrow(message);
  });
});

describe("layout", () => {
  test("hyper blocks have visual keys and values, others not; an untied model has its output", () => {
    const names = tensorLayout(parse(), "fused", true).map(({ name }) => name);
    expect(names.filter((name) => name.includes("visual_kv"))).toEqual([
      "blk.1.attn_visual_kv.weight",
      "blk.1.attn_visual_kv.bias",
    ]);
    expect(names).not.toContain("output.weight");
    expect(tensorLayout(parse(), "fused", false).at(-1)).toEqual({
      name: "output.weight",
      source: "language_model.lm_head.weight",
      shape: [2048, 64],
    });
    expect(new Set(names).size).toBe(names.length);
  });

  test.each([
    [
      "gated_head",
      [
        ["blk.1.attn_v_gate.weight", "language_model.model.layers.1.self_attn.gate_proj.0.weight", [32, 32]],
        ["blk.1.attn_v_gate.bias", "language_model.model.layers.1.self_attn.gate_proj.0.bias", [32]],
      ],
    ],
    ["gated_channel", [["blk.1.attn_v_gate.weight", "language_model.model.layers.1.self_attn.gate", [64]]]],
  ] as const)("%s: a gate in hyper layers alone, and one matrix as projector", (kind, gates) => {
    const fused = tensorLayout(parse(), "fused", true).map(({ name }) => name);
    const layout = tensorLayout(parse(), kind, true);
    const projector = layout.filter(({ name }) => name.startsWith("mm."));
    expect(projector).toEqual([
      { name: "mm.0.weight", source: "vision2text_model.weight", shape: [64, 32] },
      { name: "mm.0.bias", source: "vision2text_model.bias", shape: [64] },
    ]);
    const added = layout.filter(({ name }) => !fused.includes(name));
    expect(added.map(({ name, source, shape }) => [name, source, shape])).toEqual(gates);
    expect(fused.filter((name) => !layout.some((tensor) => tensor.name === name))).toEqual([
      "mm.2.weight",
      "mm.2.bias",
    ]);
  });

  test("shapes are turned round, the convolution becomes a matrix", () => {
    expect(storedShape([2, 3])).toEqual([3, 2]);
    expect(storedShape([7])).toEqual([7]);
    expect(storedShape([144, 3, 14, 14])).toEqual([588, 144]);
  });
});
