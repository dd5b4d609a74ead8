import { spawn } from "node:child_process";
import { FileError, UserError } from "../../errors.js";
import { maxBytes, openSource } from "../../media/source.js";
import type { InputImage } from "../../prompt/messages.js";

/** How long a program may take to hand over the clipboard, in milliseconds: some wait for one that has ended. */
const limitMs = 5000;

/** The longest list of types, in bytes. */
const maxList = 64 * 2 ** 10;
/** The largest picture in hexadecimal digits, in bytes: a string of Node has less than 2^29 characters. */
const maxHexPicture = 128 * 2 ** 20;

/** The types of pictures that are read, the best first. */
const types = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/tiff", "image/avif"];

/** A program that reads the clipboard. */
interface Reader {
  program: string;
  /** Arguments to list the types that are there; absent where there is one way to ask only. */
  list?: string[];
  read(type: string): string[];
  /** It prints a picture as hexadecimal digits. */
  hex?: boolean;
}

const readers: readonly Reader[] = [
  { program: "wl-paste", list: ["--list-types"], read: (type) => ["--no-newline", "--type", type] },
  {
    program: "xclip",
    list: ["-selection", "clipboard", "-target", "TARGETS", "-out"],
    read: (type) => ["-selection", "clipboard", "-target", type, "-out"],
  },
  // macOS: pbpaste gives texts only, and AppleScript prints a picture as hexadecimal digits.
  {
    program: "osascript",
    read: () => ["-e", "the clipboard as \u00abclass PNGf\u00bb"],
    hex: true,
  },
];

/**
 * Takes the picture of the clipboard, of at most `maxPicture` bytes, by the first program that is installed and has one. Throws UserError or
 * FileError.
 */
export async function clipboardPicture(maxPicture = maxBytes): Promise<InputImage> {
  let found = false;
  for (const reader of readers) {
    const bytes = await pictureOf(reader, maxPicture);
    found ||= bytes !== undefined;
    if (!bytes?.length) continue;
    const source = await openSource(bytes, { name: "the clipboard's picture" });
    if (source.kind === "image") return { type: "image", source };
  }
  if (!found)
    throw new UserError(
      "the clipboard can't be read: install wl-clipboard (Wayland) or xclip (X11); macOS needs neither.",
    );
  throw new FileError("the clipboard holds no picture.");
}

/** The bytes of the picture that a program gives, empty where it has none; undefined if it is not installed. */
async function pictureOf({ program, list, read, hex }: Reader, maxPicture: number): Promise<Buffer | undefined> {
  let type = types[0] as string;
  if (list) {
    const tooLong = new UserError(`the clipboard can't be read: ${program} lists too many types.`);
    const listed = await output(program, list, maxList, tooLong);
    if (listed === undefined) return undefined;
    const offered = listed.toString("utf8").split(/\s+/);
    const best = types.find((one) => offered.includes(one));
    if (best === undefined) return Buffer.alloc(0);
    type = best;
  }
  const most = hex ? Math.min(maxPicture, maxHexPicture) : maxPicture;
  const tooLarge = new FileError(`the clipboard's picture is larger than ${most / 2 ** 20} MiB.`);
  const printed = await output(program, read(type), hex ? 2 * most + hexAround.length : most, tooLarge);
  return printed && hex ? Buffer.from(/PNGf([0-9A-F]+)/i.exec(printed.toString("latin1"))?.[1] ?? "", "hex") : printed;
}

/** The text around the digits that AppleScript prints. */
const hexAround = Buffer.from("\u00abdata PNGf\u00bb\n");

/**
 * Runs a program and gives what it prints; nothing if it fails, as these do without a clipboard or a picture in it; undefined if it is not installed.
 * Throws UserError if it takes too long, and `tooMuch` if it prints more than `most` bytes.
 */
function output(
  program: string,
  args: readonly string[],
  most: number,
  tooMuch: UserError,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    const pieces: Buffer[] = [];
    let size = 0;
    const stop = (error: Error): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      child.stdout.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () =>
        stop(new UserError(`the clipboard can't be read: ${program} did not answer within ${limitMs / 1000} seconds.`)),
      limitMs,
    );
    child.stdout.on("data", (piece: Buffer) => {
      size += piece.length;
      if (size > most) stop(tooMuch);
      else pieces.push(piece);
    });
    child.on("error", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve(code === 0 ? Buffer.concat(pieces) : Buffer.alloc(0));
    });
  });
}
