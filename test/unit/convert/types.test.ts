import { describe, expect, test } from "vitest";
import { tensorType, visionFeedForward } from "../../../src/convert/types.js";
import { fileTypeNames as types } from "../../../src/gguf/file-types.js";

const quantized = types.filter((type) => !["f32", "f16", "bf16"].includes(type));
const seven = { numLayers: 28, tied: false };
const small = { numLayers: 24, tied: true };

describe("types of tensors", () => {
  test.each(types)("%s: vectors and positions are F32", (type) => {
    for (const name of ["blk.0.attn_norm.weight", "blk.0.attn_q.bias", "output_norm.weight", "v.patch_embd.bias"])
      expect(tensorType(name, [3584], type, seven)).toBe("F32");
    expect(tensorType("v.position_embd.weight", [1152, 729], type, seven)).toBe("F32");
  });

  test.each(quantized)("%s: vision tower and projector are Q8_0, the patch embedding F16", (type) => {
    for (const name of ["v.blk.3.attn_q.weight", "v.blk.3.ffn_up.weight", "mm.0.weight"])
      expect(tensorType(name, [1152, 1152], type, seven)).toBe("Q8_0");
    expect(tensorType("v.patch_embd.weight", [588, 1152], type, seven)).toBe("F16");
  });

  test("the output matrix, or the embedding that is one, gets Q6_K", () => {
    for (const type of ["q4_0", "q4_k_m", "q5_k_m", "q6_k"] as const) {
      expect(tensorType("output.weight", [3584, 151651], type, seven)).toBe("Q6_K");
      expect(tensorType("token_embd.weight", [3584, 151651], type, { ...seven, tied: true })).toBe("Q6_K");
    }
    expect(tensorType("token_embd.weight", [3584, 151651], "q4_k_m", seven)).toBe("Q4_K");
    expect(tensorType("output.weight", [3584, 151651], "q8_0", seven)).toBe("Q8_0");
  });

  test("q4_k_m of 28 blocks: more bits for the first and last eighth and every third between", () => {
    const better = Array.from({ length: 28 }, (_, n) => n).filter(
      (n) => tensorType(`blk.${n}.ffn_down.weight`, [18944, 3584], "q4_k_m", seven) === "Q6_K",
    );
    expect(better).toEqual([0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27]);
    for (const n of better) expect(tensorType(`blk.${n}.attn_v.weight`, [3584, 512], "q5_k_m", seven)).toBe("Q6_K");
    expect(tensorType("blk.3.attn_v.weight", [3584, 512], "q5_k_m", seven)).toBe("Q5_K");
    expect(tensorType("blk.6.attn_visual_kv.weight", [3584, 1024], "q4_k_m", seven)).toBe("Q6_K");
    expect(tensorType("blk.0.attn_q.weight", [3584, 3584], "q4_k_m", seven)).toBe("Q4_K");
    expect(tensorType("blk.0.ffn_down.weight", [18944, 3584], "q4_0", seven)).toBe("Q4_0");
  });

  test("rows of 896 hold no K-quants: a 32-block format that is no worse", () => {
    expect(tensorType("blk.3.attn_q.weight", [896, 896], "q4_k_m", small)).toBe("Q5_0");
    expect(tensorType("blk.3.attn_q.weight", [896, 896], "q5_k_m", small)).toBe("Q8_0");
    expect(tensorType("blk.3.attn_q.weight", [896, 896], "q6_k", small)).toBe("Q8_0");
    expect(tensorType("blk.3.ffn_down.weight", [4864, 896], "q4_k_m", small)).toBe("Q4_K");
    expect(tensorType("token_embd.weight", [896, 151851], "q4_k_m", small)).toBe("Q8_0");
    expect(tensorType("blk.3.attn_q.weight", [100, 100], "q4_0", small)).toBe("F16");
  });

  test("the vision MLP is widened only where its rows would not fit", () => {
    for (const type of quantized) {
      expect(visionFeedForward(4304, type)).toBe(4352);
      expect(visionFeedForward(4352, type)).toBe(4352);
      expect(visionFeedForward(96, type)).toBe(96);
    }
    for (const type of ["f32", "f16", "bf16"] as const) expect(visionFeedForward(4304, type)).toBe(4304);
  });
});
