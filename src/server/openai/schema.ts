/** The bodies of OpenAI's API. Unknown members are tolerated; each optional one may be null, as some clients write them. */
import { z } from "zod";

const text = z.object({ type: z.enum(["text", "input_text", "output_text"]), text: z.string() });
const url = z.string().min(1);
const urlOf = z.union([url, z.object({ url })]);
const image = z.object({
  type: z.literal("image_url"),
  image_url: z.union([url, z.object({ url, detail: z.string().nullish() })]),
});
const inputImage = z.object({ type: z.literal("input_image"), image_url: url, detail: z.string().nullish() });
const video = z.object({ type: z.literal("video_url"), video_url: urlOf });
const frames = z
  .object({ type: z.literal("video"), video: z.array(urlOf).min(1) })
  .meta({ description: "A video as its frames, each a URL of a picture." });

const userPart = z.discriminatedUnion("type", [text, image, inputImage, video, frames]);
const textContent = z.union([z.string(), z.array(text)]);

export const message = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "developer"]), content: textContent }),
  z.object({ role: z.literal("user"), content: z.union([z.string(), z.array(userPart)]) }),
  z.object({ role: z.literal("assistant"), content: textContent.nullish() }),
]);
export const messages = z.array(message).min(1).max(10_000);

const fraction = z.number().min(0).max(1).nullish();
export const penalty = z.number().min(-2).max(2).nullish();
export const stop = z.union([z.string(), z.array(z.string()).max(16)]).nullish();
const frameCount = z.int().min(1).max(4096);

/** How an answer is drawn; in common to all ways of asking. */
export const sampling = {
  temperature: z.number().min(0).max(100).nullish(),
  top_p: fraction,
  top_k: z
    .int()
    .min(0)
    .max(1 << 24)
    .nullish(),
  min_p: fraction,
  repetition_penalty: z.number().min(0.01).max(100).nullish(),
  seed: z.int().nullish(),
};

/** How media are looked at: owl3's own members. */
export const looking = {
  cut: z.boolean().nullish().meta({ description: "Cut pictures into crops; by default one that is alone is cut." }),
  fps: z.number().min(1e-6).max(1e6).nullish().meta({ description: "Frames a second of videos that are looked at." }),
  frames: z
    .union([frameCount, z.array(z.int().min(0)).min(1).max(4096)])
    .nullish()
    .meta({ description: "Frames of a video at most, or the indices of exactly these frames." }),
  start: z.number().min(0).nullish().meta({ description: "Seconds from which on videos are looked at." }),
  end: z.number().min(0).nullish().meta({ description: "Seconds up to which videos are looked at." }),
  media_io_kwargs: z
    .object({ video: z.object({ num_frames: z.int().nullish(), fps: z.number().nullish() }).nullish() })
    .nullish()
    .meta({ description: "vLLM's name for fps and frames." }),
};

/** Forms of an answer. */
const plainForms = [z.object({ type: z.literal("text") }), z.object({ type: z.literal("json_object") })] as const;
const namedSchema = {
  name: z.string().nullish(),
  description: z.string().nullish(),
  schema: z.union([z.record(z.string(), z.unknown()), z.boolean()]),
  strict: z.boolean().nullish().meta({ description: "Refuse keywords of the schema that are not known." }),
};

const model = z.string().nullish();
const anything = z.unknown().optional();

export const chatRequest = z
  .object({
    model,
    messages,
    ...sampling,
    ...looking,
    presence_penalty: penalty,
    frequency_penalty: penalty,
    max_tokens: z.int().min(1).nullish(),
    max_completion_tokens: z.int().min(1).nullish(),
    stop,
    n: z.int().min(1).max(128).nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    response_format: z
      .discriminatedUnion("type", [
        ...plainForms,
        z.object({ type: z.literal("json_schema"), json_schema: z.object(namedSchema) }),
      ])
      .nullish(),
    tools: z.array(z.unknown()).nullish(),
    tool_choice: anything,
    functions: z.array(z.unknown()).nullish(),
    logit_bias: z.record(z.string(), z.number()).nullish(),
    modalities: z.array(z.string()).nullish(),
    audio: anything,
    num_beams: z.int().nullish(),
  })
  .meta({ id: "ChatCompletionRequest" });
export type ChatRequest = z.output<typeof chatRequest>;

const responseItem = z.object({
  type: z.literal("message").nullish(),
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(z.discriminatedUnion("type", [text, inputImage, video, frames]))]),
});

export const responsesRequest = z
  .object({
    model,
    input: z.union([z.string(), z.array(responseItem).min(1).max(10_000)]),
    instructions: z.string().nullish(),
    ...sampling,
    ...looking,
    max_output_tokens: z.int().min(1).nullish(),
    stream: z.boolean().nullish(),
    text: z
      .object({
        format: z
          .discriminatedUnion("type", [...plainForms, z.object({ type: z.literal("json_schema"), ...namedSchema })])
          .nullish(),
      })
      .nullish(),
    tools: z.array(z.unknown()).nullish(),
    tool_choice: anything,
    previous_response_id: z.string().nullish(),
    conversation: anything,
    background: z.boolean().nullish(),
    store: z.boolean().nullish(),
    metadata: z.record(z.string(), z.string()).nullish(),
  })
  .meta({ id: "ResponseRequest" });
export type ResponsesRequest = z.output<typeof responsesRequest>;

export const scoreRequest = z
  .object({
    model,
    messages,
    choices: z.array(z.string().min(1)).min(1).max(1000),
    whole: z
      .boolean()
      .nullish()
      .meta({ description: "Whether choices are whole answers, so that their end counts as a token." }),
    ...looking,
  })
  .meta({ id: "ScoreRequest" });
