/** Names formats that people have and that are not decoded here, and says what to do. */

interface Foreign {
  is(text: string): boolean;
  name: string;
  instead: string;
}

const starts = (text: string, ...all: string[]): boolean => all.some((start) => text.startsWith(start));
const png = "save it as PNG or JPEG first, as `magick IN OUT.png` does.";
const foreign: readonly Foreign[] = [
  {
    is: (text) => /^....ftyp(hei[cxms]|hev[cx])/s.test(text),
    name: "a HEIC picture",
    instead: "save it as JPEG first, as `heif-convert IN OUT.jpg` does, or Preview on a Mac.",
  },
  { is: (text) => text.startsWith("BM") && text.slice(6, 10) === "\0\0\0\0", name: "a BMP picture", instead: png },
  { is: (text) => text.startsWith("\0\0\x01\0"), name: "an icon", instead: png },
  { is: (text) => starts(text, "\0\0\0\x0cjP  ", "\xff\x4f\xff\x51"), name: "a JPEG 2000 picture", instead: png },
  { is: (text) => starts(text, "\xff\x0a", "\0\0\0\x0cJXL "), name: "a JPEG XL picture", instead: png },
  { is: (text) => /^P[1-7]\s/.test(text), name: "a PNM picture", instead: png },
  { is: (text) => text.startsWith("8BPS"), name: "a Photoshop picture", instead: png },
  { is: (text) => /^(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg/s.test(text), name: "an SVG drawing", instead: png },
  {
    is: (text) => text.startsWith("%PDF-"),
    name: "a PDF document",
    instead: "make pictures of its pages first, as `pdftoppm -png IN OUT` does.",
  },
  {
    is: (text) => /^ID3|^fLaC|^OggS|^\xff[\xf2\xf3\xfb]|^RIFF....WAVE/s.test(text),
    name: "a sound file",
    instead: "only pictures and videos are looked at.",
  },
];

/** A sentence about a file of a known format that is not decoded, by its first bytes; undefined for any other. */
export function unsupported(bytes: Uint8Array, name: string): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 64)).toString("latin1");
  const found = foreign.find((format) => format.is(text));
  return found && `${name} is ${found.name}, which is not read here: ${found.instead}`;
}
