/** Turns a growing list of ids into text: characters whose bytes are spread over tokens are held until they are complete. */
export class TextStream {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  readonly #bytes: (id: number) => Uint8Array;

  constructor(bytes: (id: number) => Uint8Array) {
    this.#bytes = bytes;
  }

  /** Adds an id and returns the text that it completes: often its own, sometimes none. */
  push(id: number): string {
    return this.#decoder.decode(this.#bytes(id), { stream: true });
  }

  /** Ends the text: incomplete characters are returned as U+FFFD. The stream then starts anew. */
  end(): string {
    return this.#decoder.decode();
  }
}
