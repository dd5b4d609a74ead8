import stringWidth from "string-width";

/**
 * Wraps streamed text at the edge of a terminal, so that words are not broken. A word is held until it ends; where none ends, as in Chinese, a
 * line breaks between two wide characters. Spaces at a break go; line breaks of the text stay.
 */
export class WordWrap {
  readonly #columns: () => number | undefined;
  #column = 0;
  #spaces = "";
  #word = "";

  /** `columns` tells the terminal's width, which may change; undefined: nothing is wrapped. */
  constructor(columns: () => number | undefined) {
    this.#columns = columns;
  }

  write(text: string): string {
    if (this.#columns() === undefined) return this.end() + text;
    let out = "";
    for (const char of text) {
      if (char === "\n") {
        out += `${this.#flush()}${this.#spaces}\n`;
        this.#spaces = "";
        this.#column = 0;
      } else if (char === " " || char === "\t") {
        out += this.#flush();
        this.#spaces += char;
      } else if (stringWidth(char) > 1) {
        out += this.#flush();
        this.#word = char;
        out += this.#flush(closing.test(char));
      } else this.#word += char;
    }
    return out;
  }

  /** Returns what is held. */
  end(): string {
    const rest = this.#flush() + this.#spaces;
    this.#column += this.#spaces.length;
    this.#spaces = "";
    return rest;
  }

  #flush(stay = false): string {
    if (this.#word === "") return "";
    const width = stringWidth(this.#word);
    const columns = this.#columns() ?? Number.POSITIVE_INFINITY;
    const breaks = !stay && this.#column > 0 && this.#column + this.#spaces.length + width > columns;
    const out = (breaks ? "\n" : this.#spaces) + this.#word;
    this.#column = (breaks ? 0 : this.#column + this.#spaces.length) + width;
    if (this.#column > columns) this.#column %= columns;
    this.#word = "";
    this.#spaces = "";
    return out;
  }
}

/** Marks that do not begin a line. */
const closing = /[\u3001\u3002\uff0c\uff0e\uff01\uff1f\uff1a\uff1b\uff09\u300d\u300f]/;

/** Wraps a whole text for a stream, if that is a terminal. */
export function wrapped(text: string, stream: NodeJS.WriteStream): string {
  const wrap = new WordWrap(() => columnsOf(stream));
  return wrap.write(text) + wrap.end();
}

/** The width of a terminal; undefined for anything else, and for one that does not tell. */
export function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY === true && stream.columns > 0 ? stream.columns : undefined;
}
