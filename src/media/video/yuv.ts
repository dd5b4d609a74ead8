/**
 * Converts 8-bit 4:2:0 to RGB bit for bit as the reference's decoders (decord, OpenCV, ffmpeg on x86) do: by swscale's fixed-point arithmetic
 * with 13-bit coefficients and chroma repeated over its 2x2 block. Since it is done here, every decoder gives the same pixels; swscale itself
 * gives others on other processors. This holds for even heights; for odd ones those decoders differ (see frameFormat in probe.ts).
 */

export type Matrix = "bt601" | "bt709";

/** Bytes of a frame, which holds Y [height, width], then U and V, [ceil(height/2), ceil(width/2)] each. */
export function yuv420Bytes(width: number, height: number): number {
  return width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
}

/** Converts a planar 4:2:0 frame of yuv420Bytes(width, height) bytes to RGB8 [height, width, 3]. */
export function yuv420ToRgb(
  planes: Uint8Array,
  width: number,
  height: number,
  matrix: Matrix,
  fullRange: boolean,
): Uint8Array {
  const t = tables(matrix, fullRange);
  const chromaWidth = Math.ceil(width / 2);
  const uStart = width * height;
  const vStart = uStart + chromaWidth * Math.ceil(height / 2);
  const rgb = new Uint8ClampedArray(width * height * 3); // a store clamps to 0..255
  let out = 0;
  for (let row = 0; row < height; row++) {
    const luma = row * width;
    const chroma = (row >> 1) * chromaWidth;
    for (let col = 0; col < width; col++) {
      const y = t.y[planes[luma + col] as number] as number;
      const u = planes[uStart + chroma + (col >> 1)] as number;
      const v = planes[vStart + chroma + (col >> 1)] as number;
      rgb[out] = y + (t.vr[v] as number);
      rgb[out + 1] = y + (t.ug[u] as number) + (t.vg[v] as number);
      rgb[out + 2] = y + (t.ub[u] as number);
      out += 3;
    }
  }
  return new Uint8Array(rgb.buffer);
}

interface Tables {
  y: Int32Array;
  vr: Int32Array;
  ug: Int32Array;
  vg: Int32Array;
  ub: Int32Array;
}
const made = new Map<string, Tables>();

function tables(matrix: Matrix, fullRange: boolean): Tables {
  const key = `${matrix} ${fullRange}`;
  let t = made.get(key);
  if (!t) {
    t = makeTables(matrix, fullRange);
    made.set(key, t);
  }
  return t;
}

/** Inverse matrix coefficients in 16.16 fixed point (crv, cbu, cgu, cgv), from swscale's table. */
const coefficients = {
  bt601: [104597, 132201, 25675, 53279],
  bt709: [117489, 138438, 13975, 34925],
} as const;

function makeTables(matrix: Matrix, fullRange: boolean): Tables {
  const [crv, cbu, cgu, cgv] = coefficients[matrix].map((c) => (fullRange ? Math.floor((c * 224) / 255) : c)) as [
    number,
    number,
    number,
    number,
  ];
  const round16 = (x: number) => Math.floor((x + 32768) / 65536);
  const lumaGain = round16((fullRange ? 65536 : Math.floor((65536 * 255) / 219)) * 8192);
  const lumaOffset = round16((fullRange ? 0 : 16 * 65536) * 8);
  const chroma = (gain: number) => Int32Array.from({ length: 256 }, (_, c) => ((c * 8 - 1024) * gain) >> 16);
  return {
    y: Int32Array.from({ length: 256 }, (_, y) => ((y * 8 - lumaOffset) * lumaGain) >> 16),
    vr: chroma(round16(crv * 8192)),
    ug: chroma(round16(-cgu * 8192)),
    vg: chroma(round16(-cgv * 8192)),
    ub: chroma(round16(cbu * 8192)),
  };
}
