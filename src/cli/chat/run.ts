import { UsageError } from "../../errors.js";
import type { InputImage, InputVideo } from "../../prompt/messages.js";
import { parseMessages } from "../../prompt/parse.js";
import { placeMedia } from "../../prompt/placement.js";
import { createOutput } from "../output.js";
import { preview, sourcesOf, wantsPreview } from "../preview/show.js";
import { readFormat } from "./answer-format.js";
import { type Arguments, splitArguments } from "./arguments.js";
import type { ChatFlags } from "./flags.js";
import { type ChatInput, readPiped, readText } from "./input.js";
import { mediaParts, partOf, tellUnusedVideoOptions } from "./media.js";
import { continued, modelOfSession, openSession } from "./session.js";

/** The differences between `owl3 video` and `owl3 chat`. */
export interface RunOptions {
  /** The arguments are videos; pictures follow them with --image. */
  video?: boolean;
  /** The question that is asked if none was given and no conversation is opened. */
  defaultQuestion?: string;
}

/** Reads the input, then answers the question and ends, or opens a conversation. */
export async function runChat(args: string[], flags: ChatFlags, options: RunOptions = {}): Promise<void> {
  const out = createOutput(flags);
  const { resolveModel } = await import("../../models/resolve.js");
  const session = await openSession(flags);
  // An error of the input is said alone, before any note.
  const notes: string[] = [];
  const remote = flags.server === undefined ? undefined : await import("./remote.js");
  remote?.checkRemote(flags);
  const model =
    flags.server ??
    (await resolveModel(flags.model ?? (await modelOfSession(session)), {
      note: (line) => notes.push(line),
    }));
  const { restrictLoaders } = await import("../../media/image.js");
  restrictLoaders();
  flags.preview = await wantsPreview(flags.preview);
  const given = await splitArguments(args, flags.prompt);
  checkCombination(given, flags);
  flags.answerFormat = await readFormat(flags);
  const messages = session?.record
    ? await continued(session, model, out)
    : flags.messages === undefined
      ? []
      : parseMessages(
          await readText(flags.messages, "the conversation"),
          flags.messages === "-" ? "stdin" : flags.messages,
        );
  if (flags.system !== undefined && flags.messages !== undefined && messages[0]?.role === "system")
    throw new UsageError("--system and a system message in --messages exclude each other.");
  const asked = messages.at(-1)?.role === "user";
  const open = !asked && given.prompt === undefined && isTerminal(flags);
  const taken = asked || given.media.includes("-") || flags.messages === "-" || flags.schema === "-";
  const piped = taken ? {} : await readPiped(() => out.note(waiting));
  const as = options.video ? "video" : undefined;
  const media: (InputImage | InputVideo)[] = [];
  if (piped.source) media.push(partOf(piped.source, as));
  media.push(...(await mediaParts(given.media, as, flags, out)));
  media.push(...(await mediaParts(flags.image ?? [], "image", flags, out)));
  if (flags.clipboard) {
    const { clipboardPicture } = await import("./clipboard.js");
    media.push(await clipboardPicture());
  }
  if (options.video && media.length === 0 && messages.length === 0)
    throw new UsageError("give a video, as in `owl3 video clip.mp4`.");

  const texts = [piped.text, given.prompt].filter((text) => text !== undefined);
  const prompt = texts.length > 0 ? texts.join("\n\n") : asked || open ? undefined : options.defaultQuestion;
  if (prompt === undefined && !asked && !open)
    throw new UsageError('there is no question: give one with -p "...", as the last argument, or through a pipe.');
  if (asked && (prompt !== undefined || media.length > 0))
    throw new UsageError("the conversation in --messages ends with a question already; leave out prompt and MEDIA.");
  const { interleave = false } = flags;
  const question = prompt === undefined ? undefined : placeMedia(prompt, media, { interleave });
  const input: ChatInput = { model, messages, media, question, session };

  for (const line of notes) out.note(line);
  // Options of a call count for its own videos in a session, and for all in --messages. In a conversation one may come later.
  const earlier = session ? [] : messages.flatMap(({ content }) => (typeof content === "string" ? [] : content));
  if (!open) tellUnusedVideoOptions([...earlier, ...media], flags, out);
  await preview(sourcesOf(media), flags, out);
  if (remote) return remote.askServer(input, flags, open, out);
  if (flags.dryRun) {
    const { dryRun } = await import("./dry-run.js");
    return dryRun(input, flags, out);
  }
  if (open) {
    const { converse } = await import("./converse.js");
    return converse(input, flags, out);
  }
  const { answerOnce } = await import("./once.js");
  return answerOnce(input, flags, out);
}

const waiting = "Waiting for the end of stdin, which joins the question; `< /dev/null` leaves it out.";

function checkCombination({ media }: Arguments, flags: ChatFlags): void {
  const readers =
    media.filter((name) => name === "-").length + [flags.messages, flags.schema].filter((name) => name === "-").length;
  if (readers > 1) throw new UsageError("only one thing can be read from stdin (-).");
  if (flags.logprobs !== undefined && !flags.json)
    throw new UsageError("--logprobs needs --json, which prints the alternatives.");
  if (flags.dryRun && flags.dump !== undefined)
    throw new UsageError("--dump needs the model to run; leave out --dry-run.");
}

/** Whether a conversation can be opened: both stdin and stdout must be a terminal. */
function isTerminal({ json, dryRun, dump }: ChatFlags): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true && !json && !dryRun && dump === undefined;
}
