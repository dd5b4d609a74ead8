/** The engine process: it opens a model and answers what its server asks, until the server is gone. */
import { rmSync } from "node:fs";
import { checkContextLength } from "../chat/options.js";
import { Owl } from "../chat/owl.js";
import { restrictLoaders } from "../media/image.js";
import { exitNow } from "../native/native.js";
import { runAnswers, runScore } from "./answers.js";
import { toFault } from "./fault.js";
import type { EngineOptions, Fault, FromEngine, ModelInfo, ToEngine } from "./protocol.js";

/** The folder of its temporary files. A server that ended itself has removed it; one that was killed has not. */
const folder = process.argv[2];
const running = new Map<number, AbortController>();
let owl: Owl | undefined;
let options: EngineOptions | undefined;

const send = (message: FromEngine, sent = (): void => {}): void => {
  process.send?.(message, sent); // a server that has gone hears nothing, and 'disconnect' comes
};

async function open(given: EngineOptions): Promise<void> {
  const { model, kvType: _, contextLength, maxPixels: __, ...owlOptions } = given;
  options = given;
  owl = await Owl.open(model, owlOptions);
  checkContextLength(contextLength, owl.config.contextLength);
  const { path, backend, weightBytes, config, metadata } = owl;
  const info: ModelInfo = {
    path,
    backend,
    weightBytes,
    contextLength: contextLength ?? config.contextLength,
    metadata: Object.fromEntries(
      Object.entries(metadata).filter(
        (entry): entry is [string, string | number | boolean] =>
          typeof entry[1] === "number" ||
          typeof entry[1] === "boolean" ||
          (typeof entry[1] === "string" && entry[1].length <= 1000),
      ),
    ),
  };
  tellMemory();
  send({ type: "open", info });
}

/** Tells how much memory there is in use: once a second while there is work, and when a request is over. */
function tellMemory(): void {
  if (owl) send({ type: "memory", memory: { ...owl.memoryUse(), resident: process.memoryUsage.rss() } });
}
setInterval(() => {
  if (running.size > 0) tellMemory();
}, 1000);

async function run(message: Extract<ToEngine, { id: number; request: unknown }>): Promise<void> {
  const { id } = message;
  const controller = new AbortController();
  running.set(id, controller);
  let fault: Fault | undefined;
  try {
    if (!owl || !options) throw new Error("the model is not open");
    const { signal } = controller;
    if (message.type === "answer")
      await runAnswers(owl, message.request, options, signal, (event) => send({ type: "event", id, event }));
    else send({ type: "scores", id, scores: await runScore(owl, message.request, options, signal) });
  } catch (error) {
    fault = toFault(error);
  }
  running.delete(id);
  // A device that is lost works again in another process only: the server starts one when this one has ended.
  const ends = fault?.kind === "device";
  if (!ends) tellMemory();
  send({ type: "done", id, ...(fault && { fault }) }, ends ? () => exitNow(1) : undefined);
}

process.on("message", (message: ToEngine) => {
  if (message.type === "open")
    open(message.options).catch((error) => send({ type: "unopened", fault: toFault(error) }));
  else if (message.type === "abort") running.get(message.id)?.abort();
  else void run(message);
});
// A terminal sends Ctrl-C to both processes, and service managers their signal to end; the server decides what they mean.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.on("disconnect", () => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  exitNow(0);
});
restrictLoaders();
