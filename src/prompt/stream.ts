/** Text of a growing list of ids: characters whose bytes are spread over tokens are held until they are complete. */
export class TextStream {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  readonly #bytes: (id: number) => Uint8Array;

  constructor(bytes: (id: number) => Uint8Array) {
    this.#bytes = bytes;
  }

  /** The text that `id` completes, often all of its own, sometimes none. */
  push(id: number): string {
    return this.#decoder.decode(this.#bytes(id), { stream: true });
  }

  /** What was held back, as U+FFFD; the stream then begins anew. */
  end(): string {
    return this.#decoder.decode();
  }
}
