import type { Command } from "commander";
import { addBatchCommand } from "./batch.js";
import { addBenchCommand } from "./bench.js";
import { addBuildCommand } from "./build.js";
import { addCacheCommand } from "./cache.js";
import { addChatCommand } from "./chat.js";
import { addCompletionCommand } from "./completion.js";
import { addConfigCommand } from "./config.js";
import { addConvertCommand } from "./convert.js";
import { addDoctorCommand } from "./doctor.js";
import { addEvalCommand } from "./eval.js";
import { addFindCommand } from "./find.js";
import { addInfoCommand } from "./info.js";
import { addLogsCommand } from "./logs.js";
import { addModelsCommand } from "./models.js";
import { addPullCommand } from "./pull.js";
import { addQuantizeCommand } from "./quantize.js";
import { addRmCommand } from "./rm.js";
import { addScoreCommand } from "./score.js";
import { addServeCommand } from "./serve.js";
import { addSessionsCommand } from "./sessions.js";
import { addVideoCommand } from "./video.js";

/** A command file describes, calls the library and prints; its action makes heavy imports. */
type AddCommand = (program: Command) => void;

/** The commands that `owl3 --help` explains, in its order. */
export const mainCommands: readonly AddCommand[] = [
  addChatCommand,
  addVideoCommand,
  addBatchCommand,
  addServeCommand,
  addEvalCommand,
  addPullCommand,
  addModelsCommand,
  addInfoCommand,
  addConvertCommand,
  addQuantizeCommand,
  addDoctorCommand,
];

/** The commands that `owl3 --help` only names. */
export const otherCommands: readonly AddCommand[] = [
  addScoreCommand,
  addFindCommand,
  addRmCommand,
  addSessionsCommand,
  addLogsCommand,
  addConfigCommand,
  addCacheCommand,
  addBenchCommand,
  addBuildCommand,
  addCompletionCommand,
];
