import type { Command, Option } from "commander";
import { shown } from "../check.js";
import { createOutput } from "./output.js";

/** Whether an option takes several values: its parser gets those before as well. */
export const isRepeatable = (option: Option): boolean => option.variadic || (option.parseArg?.length ?? 0) > 1;

interface Given {
  option: Option;
  value: string | undefined;
}

/**
 * Makes commands say on stderr which value counts where an option that takes one was given several: the last one, as an alias of a shell that sets
 * defaults needs it.
 */
export function tellRepeats(program: Command): void {
  const given = new Map<string, Given[]>();
  for (const command of program.commands.flatMap((one) => [one, ...one.commands]))
    for (const option of command.options)
      command.on(`option:${option.name()}`, (value: string | undefined) => {
        if (isRepeatable(option)) return;
        const key = option.attributeName();
        given.set(key, [...(given.get(key) ?? []), { option, value }]);
      });
  program.hook("preAction", (_, command) => {
    const out = createOutput(command.opts<{ quiet?: boolean }>());
    for (const all of given.values()) {
      const sentence = repeat(all);
      if (sentence !== undefined) out.warn(sentence);
    }
  });
}

/** Says in a sentence which value of an option counts, if they differ. */
function repeat(all: readonly Given[]): string | undefined {
  const last = all.at(-1) as Given;
  if (all.every(({ option, value }) => option === last.option && value === last.value)) return undefined;
  const names = [...new Set(all.map(({ option }) => option.long))];
  if (names.length > 1) return `${names.join(" and ")} were both given; ${last.option.long}, the last one, counts.`;
  return `${names[0]} was given ${all.length} times; the last value, ${shown(last.value)}, counts.`;
}
