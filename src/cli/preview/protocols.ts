/** Pictures as the bytes that terminals understand. */
import type { RgbImage } from "../../prompt/messages.js";
import type { scaledBy } from "./terminal.js";

type Scale = ReturnType<typeof scaledBy>;

const esc = "\u001b";
/** The largest piece of data in kitty's protocol. */
const pieceLength = 4096;

/** kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/): a PNG in pieces, to which the terminal answers nothing (q=2). */
export function kittyPicture(png: Uint8Array, { columns, rows }: Scale): string {
  const data = Buffer.from(png).toString("base64");
  const size = columns === undefined ? `r=${rows}` : `c=${columns}`;
  let out = "";
  for (let at = 0; at < data.length; at += pieceLength) {
    const more = at + pieceLength < data.length ? 1 : 0;
    const control = at === 0 ? `a=T,f=100,q=2,${size},m=${more}` : `m=${more}`;
    out += `${esc}_G${control};${data.slice(at, at + pieceLength)}${esc}\\`;
  }
  return `${out}\n`;
}

/** iTerm2's inline images (https://iterm2.com/documentation-images.html): a PNG as a whole. */
export function iterm2Picture(png: Uint8Array, { columns, rows }: Scale): string {
  const size = columns === undefined ? `height=${rows}` : `width=${columns}`;
  const data = Buffer.from(png).toString("base64");
  return `${esc}]1337;File=inline=1;size=${png.length};${size};preserveAspectRatio=1:${data}\u0007\n`;
}

type Rgb = readonly [red: number, green: number, blue: number];

/** Blocks: a character shows two pixels, one above the other, as the colours of its upper half and of its ground. */
export function blocksPicture({ width, height, data }: RgbImage, trueColor: boolean): string {
  const pixel = (x: number, y: number): Rgb => {
    const at = 3 * (y * width + x);
    return [data[at] as number, data[at + 1] as number, data[at + 2] as number];
  };
  const code = trueColor ? (rgb: Rgb): string => `2;${rgb.join(";")}` : (rgb: Rgb): string => `5;${paletteIndex(rgb)}`;
  let out = "";
  for (let y = 0; y < height; y += 2) {
    let before = "";
    for (let x = 0; x < width; x++) {
      const ground = y + 1 < height ? `;48;${code(pixel(x, y + 1))}` : "";
      const colors = `${esc}[38;${code(pixel(x, y))}${ground}m`;
      out += `${colors === before ? "" : colors}▀`;
      before = colors;
    }
    out += `${esc}[0m\n`;
  }
  return out;
}

/** Levels of red, green and blue in the cube of xterm's 256 colours. */
const levels = [0, 95, 135, 175, 215, 255];

/** The nearest of xterm's 256 colours, among its cube and its greys. */
export function paletteIndex(rgb: Rgb): number {
  const near = rgb.map((value) =>
    levels.reduce((best, level, i) => (far(level, value) < far(levels[best] as number, value) ? i : best), 0),
  );
  const cube = near.map((i) => levels[i] as number);
  const step = Math.max(0, Math.min(23, Math.round(((rgb[0] + rgb[1] + rgb[2]) / 3 - 8) / 10)));
  const grey = 8 + 10 * step;
  const distance = (color: readonly number[]): number =>
    color.reduce((sum, value, i) => sum + (value - (rgb[i] as number)) ** 2, 0);
  if (distance([grey, grey, grey]) < distance(cube)) return 232 + step;
  return 16 + 36 * (near[0] as number) + 6 * (near[1] as number) + (near[2] as number);
}

const far = (a: number, b: number): number => Math.abs(a - b);
