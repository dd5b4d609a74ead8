import { ModelFileError } from "../errors.js";
import { describeFile } from "../gguf/describe.js";
import type { Binding } from "../native/binding.js";
import type { MemoryPlan, ModelOptions } from "../native/model.js";
import { nativeCall } from "../native/native.js";
import type { InputMessage } from "../prompt/messages.js";
import type { LoadMedia, MediaReport } from "../vision/chat-media.js";
import { mediaLoader } from "../vision/load.js";
import { instructionOf } from "./constraints.js";
import { Conversation, openingOf } from "./conversation.js";
import { type AskOptions, type ChatOptions, checkContextLength, checkOptions } from "./options.js";
import { placeOf, planWork } from "./plan.js";
import { type PromptTokenizer, promptTokenizer } from "./prompt-tokenizer.js";

/** The options of the run that is previewed; those that only choose tokens are checked and have no other effect. */
export interface PreviewOptions
  extends ModelOptions,
    Omit<ChatOptions, "messages">,
    Omit<AskOptions, "onPlan" | "onPrefilled"> {}

/** The input that a run would give to the model, and the memory that it would take. */
export interface Preview {
  prompt: string;
  ids: number[];
  /** The index of each placeholder's first id (media_offset). */
  mediaOffset: number[];
  media: MediaReport[];
  /** Positions that prompt and answer take at most. */
  contextLength: number;
  memory: MemoryPlan;
}

/**
 * Opens the media, renders the prompt and plans the memory as a run does before it computes anything. Only the header of the model file is
 * read. Throws the errors that the run would throw up to there, except MemoryError.
 */
export async function preview(
  binding: Binding,
  path: string,
  messages: readonly InputMessage[],
  options: PreviewOptions = {},
  replace: { loadMedia?: LoadMedia; tokenizer?: PromptTokenizer } = {},
): Promise<Preview> {
  checkOptions(options, {});
  if (options.format) (await import("../constrain/compile.js")).compileFormat(options.format);
  const file = await nativeCall(() => binding.readGguf(path));
  const { model } = describeFile(file);
  if (!model) throw new ModelFileError(`${path} is not an mPLUG-Owl3 model.`);
  const modelContext = model.language.context_length;
  checkContextLength(options.contextLength, modelContext);
  const conversation = new Conversation(
    replace.tokenizer ?? promptTokenizer(file.metadata, path),
    replace.loadMedia ?? mediaLoader(binding, model.vision.crop_size),
    options,
  );
  try {
    await conversation.add([...openingOf(options), ...messages], options);
    const { prompt, ids, mediaOffset } = conversation.render(instructionOf(options));
    const size = { promptTokens: ids.length, crops: mediaOffset.length, modelContext };
    const work = planWork(size, options, options);
    const memory = await nativeCall(() => binding.planModel(path, placeOf(options), work));
    const media = conversation.media.map(({ report }) => ({ ...report }));
    return { prompt, ids, mediaOffset, media, contextLength: work.contextLength, memory };
  } finally {
    conversation.truncate(0); // closes the clips
  }
}
