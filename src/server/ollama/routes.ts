import { packageVersion } from "../../version.js";
import type { Call, Parts, ServerContext } from "../call.js";
import { checkModel } from "../call.js";
import type { Turn } from "../messages.js";
import { validate } from "../validate.js";
import {
  chatTurns,
  checkOllama,
  details,
  generateTurns,
  type Kind,
  modelEntry,
  ollamaFormat,
  ollamaLines,
  ollamaPiece,
  ollamaSampling,
  ollamaWhole,
} from "./answers.js";
import {
  chatRequest,
  generateRequest,
  type OllamaChatRequest,
  type OllamaGenerateRequest,
  showRequest,
} from "./schema.js";

/** Adds the part of Ollama's API that asks a model: /api/chat, /api/generate, /api/tags, /api/show, /api/ps, /api/version. */
export function ollamaRoutes({ app, dispatcher, settings, messages, handle, stream }: Parts): void {
  const { model } = settings;
  const info = () => dispatcher.engine.info;

  app.get("/api/version", (c) => c.json({ version: packageVersion() }));
  app.get("/api/tags", (c) => c.json({ models: [modelEntry(settings, info())] }));
  app.get("/api/ps", (c) =>
    c.json({
      models: info() ? [{ ...modelEntry(settings, info()), expires_at: "2318-01-01T00:00:00Z", size_vram: 0 }] : [],
    }),
  );
  app.post("/api/show", (c) =>
    handle(c, async (unchecked) => {
      const body = validate(showRequest, unchecked);
      checkModel(body.model ?? body.name, settings);
      const known = info();
      const shown = {
        modelfile: "",
        parameters: "",
        template: "",
        details: details(known),
        model_info: known?.metadata ?? {},
        capabilities: ["completion", "vision"],
        modified_at: new Date(settings.created * 1000).toISOString(),
      };
      return c.json(shown);
    }),
  );
  app.post("/api/chat", (c) =>
    handle(c, async (unchecked, call) => {
      const body = validate(chatRequest, unchecked);
      return answer(c, "chat", body, chatTurns(body), call);
    }),
  );
  app.post("/api/generate", (c) =>
    handle(c, async (unchecked, call) => {
      const body = validate(generateRequest, unchecked);
      // Without a prompt, clients ask for the model to be loaded, and it is.
      if (!body.prompt && !body.images?.length) {
        checkModel(body.model, settings);
        return c.json({ ...ollamaPiece("generate", model, ""), done: true, done_reason: "load" });
      }
      return answer(c, "generate", body, generateTurns(body), call);
    }),
  );

  async function answer(
    c: ServerContext,
    kind: Kind,
    body: OllamaChatRequest | OllamaGenerateRequest,
    turns: Turn[],
    call: Call,
  ): Promise<Response> {
    checkModel(body.model, settings);
    checkOllama(body);
    const request = {
      n: 1,
      messages: await messages.messages(turns, call),
      ...call.tenant,
      ...ollamaSampling(body.options, settings),
      ...ollamaFormat(body),
    };
    const events = dispatcher.answer(request, call.signal);
    if (body.stream === false) return c.json(await ollamaWhole(kind, model, events));
    return stream(c, call, ollamaLines(kind, model, events), {
      contentType: "application/x-ndjson",
      // Clients parse every line, so the one that keeps the connection alive is a piece without text.
      ping: `${JSON.stringify(ollamaPiece(kind, model, ""))}\n`,
      onError: ({ message }) => `${JSON.stringify({ error: message })}\n`,
    });
  }
}
