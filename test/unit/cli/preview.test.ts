import { readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { blocksPicture, iterm2Picture, kittyPicture, paletteIndex } from "../../../src/cli/preview/protocols.js";
import { boxOf, protocolOf, scaledBy } from "../../../src/cli/preview/terminal.js";
import { FileError } from "../../../src/errors.js";
import { decodeImage } from "../../../src/media/image.js";
import { openSource } from "../../../src/media/source.js";
import { pngOf, thumbnail } from "../../../src/media/thumbnail.js";
import { root } from "../../support/files.js";

const variables = ["NO_COLOR", "TERM", "TERM_PROGRAM", "KITTY_WINDOW_ID", "LC_TERMINAL", "TMUX", "STY"];
beforeEach(() => {
  for (const name of variables) vi.stubEnv(name, "");
});
afterEach(() => void vi.unstubAllEnvs());

const stream = (more: object = {}) => ({ isTTY: true, columns: 80, rows: 24, ...more }) as NodeJS.WriteStream;
function protocol(env: Record<string, string>, more?: object): string | undefined {
  for (const [name, value] of Object.entries({ TERM: "xterm-256color", ...env })) vi.stubEnv(name, value);
  const found = protocolOf(stream(more));
  for (const name of variables) vi.stubEnv(name, "");
  return found;
}

test("the environment tells what a terminal understands", () => {
  expect(protocol({})).toBe("blocks");
  expect(protocol({ KITTY_WINDOW_ID: "1" })).toBe("kitty");
  for (const TERM of ["xterm-kitty", "xterm-ghostty"]) expect(protocol({ TERM })).toBe("kitty");
  expect(protocol({ TERM_PROGRAM: "ghostty" })).toBe("kitty");
  for (const name of ["iTerm.app", "WezTerm", "mintty"]) expect(protocol({ TERM_PROGRAM: name })).toBe("iterm2");
  expect(protocol({ LC_TERMINAL: "iTerm2" })).toBe("iterm2");
  expect(protocol({ TERM_PROGRAM: "vscode" })).toBe("blocks");
});

test("a multiplexer gets blocks, whatever is around it; what must not get escape codes gets nothing", () => {
  expect(protocol({ KITTY_WINDOW_ID: "1", TMUX: "/tmp/tmux" })).toBe("blocks");
  expect(protocol({ TERM_PROGRAM: "iTerm.app", TERM: "screen-256color" })).toBe("blocks");
  expect(protocol({ NO_COLOR: "1", KITTY_WINDOW_ID: "1" })).toBeUndefined();
  expect(protocol({ TERM: "dumb", KITTY_WINDOW_ID: "1" })).toBeUndefined();
  expect(protocol({ KITTY_WINDOW_ID: "1" }, { isTTY: false })).toBeUndefined();
  expect(protocol({ KITTY_WINDOW_ID: "1" }, { columns: 0 })).toBeUndefined();
});

test("a box is within the terminal, and smaller for each of several pictures", () => {
  expect(boxOf(stream(), "blocks", 1)).toEqual({ columns: 79, rows: 12, maxWidth: 79, maxHeight: 24 });
  expect(boxOf(stream(), "kitty", 1)).toMatchObject({ columns: 79, rows: 12, maxWidth: 790, maxHeight: 240 });
  expect(boxOf(stream(), "kitty", 3).rows).toBe(8);
  expect(boxOf(stream({ columns: 1000, rows: 500 }), "blocks", 1)).toMatchObject({ columns: 100, rows: 24 });
  expect(boxOf(stream({ columns: 1, rows: 1 }), "blocks", 1)).toMatchObject({ columns: 1, rows: 1 });
  const box = boxOf(stream(), "kitty", 1);
  expect(scaledBy(box, { width: 790, height: 100 })).toEqual({ columns: 79 });
  expect(scaledBy(box, { width: 100, height: 240 })).toEqual({ rows: 12 });
});

/** Noise, so that its PNG takes several pieces. */
function noise(width: number, height: number) {
  let state = 1;
  const data = Uint8Array.from({ length: 3 * width * height }, () => {
    state = (state * 16_807) % 2_147_483_647;
    return state & 255;
  });
  return { width, height, data };
}

test("kitty: the PNG comes whole out of its pieces, which are short, and no answer is asked for", async () => {
  const image = noise(60, 40);
  const png = await pngOf(image);
  const text = kittyPicture(png, { columns: 6 });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the protocol is made of them
  const pieces = [...text.matchAll(/\u001b_G([^;]*);([A-Za-z0-9+/=]*)\u001b\\/g)];
  expect(`${pieces.map(([whole]) => whole).join("")}\n`).toBe(text);
  expect(pieces.length).toBeGreaterThan(1);
  const [first, ...rest] = pieces.map(([, control]) => control);
  expect(first).toBe("a=T,f=100,q=2,c=6,m=1");
  expect(rest).toEqual([...rest.slice(1).map(() => "m=1"), "m=0"]);
  for (const [, , data = ""] of pieces) expect(data.length).toBeLessThanOrEqual(4096);
  const sent = Buffer.from(pieces.map(([, , data]) => data).join(""), "base64");
  expect(await decodeImage(sent, "sent")).toMatchObject({ width: 60, height: 40 });
  expect(Buffer.from((await decodeImage(sent, "sent")).data)).toEqual(Buffer.from(image.data));
  expect(kittyPicture(new Uint8Array(3), { rows: 2 })).toBe("\u001b_Ga=T,f=100,q=2,r=2,m=0;AAAA\u001b\\\n");
});

test("iTerm2: size, scale and the PNG as a whole", async () => {
  expect(iterm2Picture(new Uint8Array(3), { columns: 5 })).toBe(
    "\u001b]1337;File=inline=1;size=3;width=5;preserveAspectRatio=1:AAAA\u0007\n",
  );
  expect(iterm2Picture(new Uint8Array(3), { rows: 5 })).toContain(";height=5;");
});

test("blocks: two pixels a character, colours that stay are not repeated, each line ends without colour", () => {
  const [red, blue, white] = [
    [255, 0, 0],
    [0, 0, 255],
    [255, 255, 255],
  ];
  const image = { width: 2, height: 3, data: Uint8Array.from([red, red, blue, blue, white, red].flat() as number[]) };
  expect(blocksPicture(image, true)).toBe(
    "\u001b[38;2;255;0;0;48;2;0;0;255m▀▀\u001b[0m\n\u001b[38;2;255;255;255m▀\u001b[38;2;255;0;0m▀\u001b[0m\n",
  );
  expect(blocksPicture(image, false)).toBe(
    "\u001b[38;5;196;48;5;21m▀▀\u001b[0m\n\u001b[38;5;231m▀\u001b[38;5;196m▀\u001b[0m\n",
  );
});

test("the palette: corners of the cube, and greys between its levels", () => {
  expect([paletteIndex([0, 0, 0]), paletteIndex([255, 255, 255])]).toEqual([16, 231]);
  expect(paletteIndex([128, 128, 128])).toBe(244);
  expect(paletteIndex([95, 135, 175])).toBe(16 + 36 + 12 + 3);
});

test("a thumbnail keeps the shape, is not larger than the picture, and is the first frame of a clip", async () => {
  const shapes = await openSource(path.join(root, "examples/shapes.png"));
  expect(await thumbnail(shapes, { maxWidth: 60, maxHeight: 1000 })).toMatchObject({ width: 60, height: 40 });
  expect(await thumbnail(shapes, { maxWidth: 5000, maxHeight: 5000 })).toMatchObject({ width: 600, height: 400 });
  expect(await thumbnail(shapes, { maxWidth: 1, maxHeight: 1 })).toMatchObject({ width: 1, height: 1 });
  const clip = await openSource(path.join(root, "examples/moving.mp4"));
  const small = await thumbnail(clip, { maxWidth: 32, maxHeight: 32 });
  expect([small.width, small.height, small.data.length]).toEqual([32, 24, 32 * 24 * 3]);
  const bytes = readFileSync(path.join(root, "examples/shapes.png")).subarray(0, 3000);
  await expect(thumbnail(await openSource(bytes), { maxWidth: 9, maxHeight: 9 })).rejects.toThrow("can't be decoded");
});

test("a clip without a frame that can be read is an error of the file, which a preview passes over", async () => {
  const bytes = readFileSync(path.join(root, "examples/moving.mp4"));
  const at = bytes.indexOf("mdat");
  bytes.fill(0, at + 4, at - 4 + bytes.readUInt32BE(at - 4));
  await expect(thumbnail(await openSource(bytes), { maxWidth: 9, maxHeight: 9 })).rejects.toBeInstanceOf(FileError);
});
