import type { Command } from "commander";
import { addBenchCommand } from "./bench.js";
import { addCacheCommand } from "./cache.js";
import { addChatCommand } from "./chat.js";
import { addConvertCommand } from "./convert.js";
import { addDoctorCommand } from "./doctor.js";
import { addEvalCommand } from "./eval.js";
import { addInfoCommand } from "./info.js";
import { addModelsCommand } from "./models.js";
import { addPullCommand } from "./pull.js";
import { addQuantizeCommand } from "./quantize.js";
import { addRmCommand } from "./rm.js";
import { addVideoCommand } from "./video.js";

/** All commands in the order of the help. A command file describes, calls the library and prints; its action makes heavy imports. */
export const commands: readonly ((program: Command) => void)[] = [
  addChatCommand,
  addVideoCommand,
  addInfoCommand,
  addPullCommand,
  addModelsCommand,
  addRmCommand,
  addConvertCommand,
  addQuantizeCommand,
  addCacheCommand,
  addEvalCommand,
  addBenchCommand,
  addDoctorCommand,
];
