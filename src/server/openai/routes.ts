import { formatOf } from "../../constrain/format.js";
import { packageVersion } from "../../version.js";
import type { AnswerRequest } from "../../worker/protocol.js";
import type { Parts } from "../call.js";
import { type Call, checkModel } from "../call.js";
import { badRequest, unsupported } from "../errors.js";
import { defaultAnswerTokens } from "../settings.js";
import { sse } from "../stream.js";
import { validate } from "../validate.js";
import { chatChunks, chatCompletion, chatHead } from "./chat.js";
import { checkChat, checkTools, lookingOf, samplingOf, turnsOf } from "./request.js";
import { ResponseObject } from "./responses.js";
import { type ChatRequest, chatRequest, type ResponsesRequest, responsesRequest, scoreRequest } from "./schema.js";
import { scoreAnswer } from "./score.js";

const events = { contentType: "text/event-stream; charset=utf-8", ping: ": ping\n\n" };

/** Adds /v1/models, /v1/chat/completions, /v1/responses and /v1/score. */
export function openaiRoutes({ app, dispatcher, settings, messages, handle, stream }: Parts): void {
  const { model, created } = settings;
  const entry = { id: model, object: "model", created, owned_by: "owl3" };
  app.get("/v1/models", (c) => c.json({ object: "list", data: [entry] }));
  app.get("/v1/models/:id{.+}", (c) => {
    checkModel(c.req.param("id"), settings);
    return c.json(entry);
  });

  app.post("/v1/chat/completions", (c) =>
    handle(c, async (unchecked, call) => {
      const body = validate(chatRequest, unchecked);
      checkModel(body.model, settings);
      checkChat(body);
      const request = await chatAnswer(body, call);
      const head = chatHead(model, `owl3-${packageVersion()}`);
      const answer = dispatcher.answer(request, call.signal);
      const logprobs = body.logprobs ?? false;
      if (!body.stream) return c.json(await chatCompletion(answer, request.n, head, logprobs));
      const chunks = chatChunks(answer, head, { logprobs, includeUsage: body.stream_options?.include_usage ?? false });
      const onError = (error: { body(): object }) => sse(error.body()) + sse("[DONE]");
      return stream(c, call, chunks, { ...events, onError });
    }),
  );

  app.post("/v1/responses", (c) =>
    handle(c, async (unchecked, call) => {
      const body = validate(responsesRequest, unchecked);
      checkModel(body.model, settings);
      const request = await responsesAnswer(body, call);
      const answer = new ResponseObject(body, model);
      const pieces = dispatcher.answer(request, call.signal);
      if (!body.stream) return c.json(await answer.whole(pieces));
      const onError = ({ code, message }: { code: string; message: string }) =>
        sse({ type: "error", code, message, param: null }, "error");
      return stream(c, call, answer.stream(pieces), { ...events, onError });
    }),
  );

  app.post("/v1/score", (c) =>
    handle(c, async (unchecked, call) => {
      const body = validate(scoreRequest, unchecked);
      checkModel(body.model, settings);
      const turns = turnsOf(body.messages, "messages", body.cut);
      const request = {
        messages: await messages.messages(turns, call),
        ...lookingOf(body, settings),
        ...call.tenant,
        candidates: body.choices,
        end: body.whole ?? false,
      };
      return c.json(scoreAnswer(await dispatcher.score(request, call.signal), model));
    }),
  );

  async function chatAnswer(body: ChatRequest, call: Call): Promise<AnswerRequest> {
    const n = body.n ?? 1;
    if (n > settings.maxChoices) throw badRequest(`n is ${n}, and ${settings.maxChoices} are allowed.`, "n");
    const turns = turnsOf(body.messages, "messages", body.cut);
    const { stop, response_format: form } = body;
    return {
      n,
      format: formatOf(form?.type === "json_schema" ? { type: form.type, ...form.json_schema } : form),
      messages: await messages.messages(turns, call),
      ...lookingOf(body, settings),
      ...call.tenant,
      sampling: {
        ...samplingOf(body),
        ...(body.logprobs && { logprobs: body.top_logprobs ?? 0 }),
      },
      maxTokens: tokens(body.max_completion_tokens ?? body.max_tokens),
      stop: (typeof stop === "string" ? [stop] : (stop ?? [])).filter((text) => text !== ""),
    };
  }

  async function responsesAnswer(body: ResponsesRequest, call: Call): Promise<AnswerRequest> {
    checkTools(body);
    if (body.previous_response_id)
      throw unsupported("previous_response_id", "answers are not kept; send the whole conversation.");
    if (body.conversation) throw unsupported("conversation", "conversations are not kept; send the whole of it.");
    if (body.background) throw unsupported("background", "an answer is given while its client waits.");
    const { input, instructions } = body;
    const turns = turnsOf(typeof input === "string" ? [{ role: "user", content: input }] : input, "input", body.cut);
    if (instructions)
      turns.unshift({ role: "system", parts: [{ type: "text", text: instructions }], param: "instructions" });
    return {
      n: 1,
      format: formatOf(body.text?.format),
      messages: await messages.messages(turns, call),
      ...lookingOf(body, settings),
      ...call.tenant,
      sampling: samplingOf(body),
      maxTokens: tokens(body.max_output_tokens),
      stop: [],
    };
  }

  function tokens(asked: number | null | undefined): number {
    return Math.min(asked ?? defaultAnswerTokens, settings.maxTokens);
  }
}
