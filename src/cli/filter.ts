/**
 * Filters text of models, file names and strings of model files, which are not trusted: nothing in them may steer a terminal. The filter
 * removes C0 and C1 controls except newline and tab, marks that reorder text and invisible characters, and replaces lone surrogates.
 */

// The ranges are controls, bidirectional controls, zero-width and invisible marks, deprecated format characters, tags and supplementary
// variation selectors. The joiners U+200C and U+200D stay, since scripts and emoji need them.
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the filter is about control characters
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Removes everything that could act on a terminal. */
export function safeText(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd").replace(unsafe, "");
}

/** Makes text safe for one line of a message: without line breaks, too. */
export function safeLine(text: string): string {
  return safeText(text.replace(/[\t\n\u2028\u2029]+/g, " "));
}

/** Serialises to JSON that is safe to show: the value is the same, and every unsafe character is written as an escape. */
export function safeJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, (_, v) => (typeof v === "bigint" ? Number(v) : v), indent);
  return json.replace(unsafe, (c) =>
    Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** Applies safeText to a stream: a surrogate pair that is cut in two is held until its other half arrives. */
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
