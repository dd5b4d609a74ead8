/** GPT-2's byte alphabet: vocabularies write every byte as a printable character. */

const printable = (b: number) => (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;

/** The character of each byte. */
export const byteChars: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
})();

const bytesOfChars = new Map(byteChars.map((char, b) => [char, b]));

/** Decodes a token's text to bytes; undefined if it holds a character outside the alphabet. */
export function bytesOf(token: string): Uint8Array | undefined {
  const out = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const b = bytesOfChars.get(token.charAt(i));
    if (b === undefined) return undefined;
    out[i] = b;
  }
  return out;
}

const utf8 = new TextEncoder();

/** Writes text in the alphabet; a lone surrogate becomes U+FFFD. */
export function charsOf(text: string): string {
  let out = "";
  for (const b of utf8.encode(text)) out += byteChars[b];
  return out;
}
