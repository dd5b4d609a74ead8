/** Gives the data of each server-sent event of a body, and hands on the texts of comments. */
export async function* eventData(
  body: AsyncIterable<Uint8Array>,
  onComment: (text: string) => void = () => {},
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let held = "";
  for await (const part of body) {
    const events = (held + decoder.decode(part, { stream: true })).split("\n\n");
    held = events.pop() ?? "";
    for (const event of events)
      if (event.startsWith("data: ")) yield event.slice(6);
      else if (event.startsWith(": ")) onComment(event.slice(2));
  }
}
