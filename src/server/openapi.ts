import { z } from "zod";
import { packageVersion } from "../version.js";
import * as answers from "./answers-schema.js";
import * as ollama from "./ollama/schema.js";
import * as openai from "./openai/schema.js";

interface Route {
  summary: string;
  body?: z.ZodType;
  /** A schema of JSON, or the type of another answer. */
  answer: z.ZodType | string;
  /** The type of the answer when the body has `stream`. */
  stream?: string;
  /** Whether errors are Ollama's. */
  ollama?: boolean;
}

const sse = "text/event-stream";
const ndjson = "application/x-ndjson";

const routes: Record<string, Route> = {
  "GET /health": { summary: "Whether requests are taken.", answer: answers.health },
  "GET /metrics": { summary: "Counts for Prometheus.", answer: "text/plain" },
  "GET /openapi.json": { summary: "This document.", answer: z.looseObject({ openapi: z.string() }) },
  "GET /v1/models": { summary: "The model that is open.", answer: answers.models },
  "GET /v1/models/{id}": { summary: "The model, by its name.", answer: answers.model },
  "POST /v1/chat/completions": {
    summary: "Answers a conversation with pictures and videos.",
    body: openai.chatRequest,
    answer: answers.chatCompletion,
    stream: sse,
  },
  "POST /v1/responses": {
    summary: "Answers a conversation that is sent as a whole; nothing is kept.",
    body: openai.responsesRequest,
    answer: answers.response,
    stream: sse,
  },
  "POST /v1/score": {
    summary: "Tells how probable given answers are.",
    body: openai.scoreRequest,
    answer: answers.score,
  },
  "GET /api/version": { summary: "The version.", answer: answers.ollamaVersion, ollama: true },
  "GET /api/tags": { summary: "The model that is open.", answer: answers.ollamaModels, ollama: true },
  "GET /api/ps": { summary: "The model that is in memory.", answer: answers.ollamaModels, ollama: true },
  "POST /api/show": {
    summary: "What is known about the model.",
    body: ollama.showRequest,
    answer: answers.ollamaShow,
    ollama: true,
  },
  "POST /api/chat": {
    summary: "Ollama's way to answer a conversation.",
    body: ollama.chatRequest,
    answer: answers.ollamaChat,
    stream: ndjson,
    ollama: true,
  },
  "POST /api/generate": {
    summary: "Ollama's way to answer one prompt.",
    body: ollama.generateRequest,
    answer: answers.ollamaGenerate,
    stream: ndjson,
    ollama: true,
  },
};

let document: object | undefined;

/** The OpenAPI document of all routes, made of the schemas that check requests. */
export function openApi(): object {
  document ??= make();
  return document;
}

function make(): object {
  const paths: Record<string, Record<string, object>> = {};
  const schemas: Record<string, unknown> = {};
  for (const [name, route] of Object.entries(routes)) {
    const [method = "", path = ""] = name.split(" ");
    const at = paths[path] ?? {};
    paths[path] = at;
    at[method.toLowerCase()] = operation(path, route, schemas);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "owl3",
      version: packageVersion(),
      description: "Questions about pictures and videos, in OpenAI's and Ollama's ways.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ key: [] }],
    paths,
    components: { schemas, securitySchemes: { key: { type: "http", scheme: "bearer" } } },
  };
}

function operation(
  path: string,
  { summary, body, answer, stream, ollama: isOllama }: Route,
  schemas: Record<string, unknown>,
): object {
  const errors = {
    description: "What is wrong.",
    content: json(isOllama ? answers.ollamaError : answers.error, schemas),
  };
  const content = typeof answer === "string" ? { [answer]: { schema: { type: "string" } } } : json(answer, schemas);
  const streamed = stream === undefined ? {} : { [stream]: { schema: { type: "string" } } };
  const busy = path === "/health" ? { "503": { description: "Not now.", content } } : {};
  return {
    summary,
    ...(path === "/health" && { security: [] }),
    ...(path.includes("{id}") && {
      parameters: [{ name: "id", in: "path", required: true, schema: { type: "string", minLength: 1 } }],
    }),
    ...(body && { requestBody: { required: true, content: json(body, schemas, "input") } }),
    responses: {
      "200": { description: "The answer.", content: { ...content, ...streamed } },
      "4XX": errors,
      "5XX": errors,
      ...busy,
    },
  };
}

function json(schema: z.ZodType, schemas: Record<string, unknown>, io: "input" | "output" = "output"): object {
  const { $schema: _, $defs = {}, ...rest } = z.toJSONSchema(schema, { io });
  // Named schemas are definitions within each document of zod, and have one place in this one.
  const moved = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/'));
  for (const [name, { id: __, ...definition }] of Object.entries($defs)) schemas[name] = moved(definition);
  return { "application/json": { schema: moved(rest) } };
}
