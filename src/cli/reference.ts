import type { ExitCode } from "../errors.js";

/** The exit codes: a word for the help, and a sentence for the man page. */
export const exitWords: Readonly<Record<keyof typeof ExitCode, readonly [word: string, sentence: string]>> = {
  ok: ["done", "It is done; also when the reader of a pipe goes away."],
  failure: ["failed", "Any other error; the message is on stderr."],
  usage: ["usage", "Wrong arguments, options or settings."],
  file: ["file", "A file is missing, or can't be read or written."],
  model: ["model", "A file is not a valid model or checkpoint."],
  memory: ["memory", "There is not enough memory."],
  rows: ["rows", "Some of many rows failed, and the others are done."],
  interrupted: ["Ctrl-C", "It was interrupted."],
};

/** The variables of the environment that owl3 reads. A test looks for others in the sources. */
export const variables: Readonly<Record<string, string>> = {
  OWL3_MODEL: "The model where none is named; it goes before the config file.",
  OWL3_HOME: "The folder of models.",
  OWL3_HUB: "Where models are looked up: hf (the default) or modelscope.",
  OWL3_CACHE_DIR: "The folder of the caches.",
  OWL3_CACHE_SIZE: "The bytes that the cache of embeddings may take, such as 500MB; 0 for none.",
  OWL3_REPACK_CACHE: "The bytes that repacked weights may take, such as 5GB; 0 for none.",
  OWL3_NO_LOG: "Anything but 0 keeps answers out of the log.",
  OWL3_API_KEY: "The key of a server: the one that owl3 serve asks for, or the one that owl3 chat --server sends.",
  OWL3_ISA: "Forces an instruction set, such as avx2 or scalar.",
  OWL3_DEBUG: "1 shows the stack of an error.",
  HF_TOKEN: "The token that Hugging Face gets.",
  HF_ENDPOINT: "The address of Hugging Face or of a mirror of it.",
  HF_HUB_OFFLINE: "1 fetches nothing from either hub.",
  MODELSCOPE_API_TOKEN: "The token that ModelScope gets.",
  MODELSCOPE_ENDPOINT: "The address of ModelScope.",
  "HTTP_PROXY, HTTPS_PROXY, NO_PROXY": "Proxies of downloads.",
  NO_COLOR: "Anything leaves out colours and pictures on terminals.",
};

/** Where owl3 keeps what lasts, by the XDG folders. */
export const places: Readonly<Record<string, string>> = {
  "~/.config/owl3/config.json": "Settings (owl3 config).",
  "~/.local/share/owl3/models": "Models (owl3 models).",
  "~/.local/share/owl3/sessions": "Kept conversations (owl3 sessions).",
  "~/.local/share/owl3/logs": "Logged questions and answers (owl3 logs).",
  "~/.local/state/owl3/history": "The lines typed in conversations.",
  "~/.cache/owl3": "Embeddings of pictures and repacked weights (owl3 cache).",
};
