/**
 * Text of the model, file names and strings of model files are other people's words: nothing in them may steer a terminal. The filter
 * drops C0 and C1 controls but newline and tab, marks that reorder text, characters that are invisible, and lone surrogates.
 */

// Bidirectional controls, zero-width and invisible marks, deprecated format characters, tags, supplementary variation selectors. The
// joiners U+200C and U+200D stay: scripts and emoji need them.
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** `text` without anything that could act on a terminal. */
export function safeText(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd").replace(unsafe, "");
}

/** `text` for one line of a message: safe, and without line breaks. */
export function safeLine(text: string): string {
  return safeText(text.replace(/[\t\n\u2028\u2029]+/g, " "));
}

/** JSON that is safe to show: the same value, with every unsafe character written as an escape. */
export function safeJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, (_, v) => (typeof v === "bigint" ? Number(v) : v), indent);
  return json.replace(unsafe, (c) =>
    Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** safeText over a stream, whatever its pieces: a character cut in two is held until its other half comes. */
export class StreamFilter {
  #held = "";

  write(text: string): string {
    const all = this.#held + text;
    const last = all.charCodeAt(all.length - 1);
    const cut = last >= 0xd800 && last <= 0xdbff ? all.length - 1 : all.length;
    this.#held = all.slice(cut);
    return safeText(all.slice(0, cut));
  }

  end(): string {
    const rest = safeText(this.#held);
    this.#held = "";
    return rest;
  }
}
