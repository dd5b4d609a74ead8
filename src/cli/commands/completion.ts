import { Argument, type Command } from "commander";
import { type Shell, shells } from "../completion/shells.js";
import { createOutput } from "../output.js";

export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .description("print a shell's script that completes commands, options and names")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .argument("[words...]", "what the script asks about: the words so far, the last one to complete")
    .addHelpText(
      "after",
      `
Add a line to the file that your shell reads when it starts:
  ~/.bashrc                   eval "$(owl3 completion bash)"
  ~/.zshrc, after compinit    eval "$(owl3 completion zsh)"
  ~/.config/fish/config.fish  owl3 completion fish | source`,
    )
    .action(async (shell: Shell, words: string[]) => {
      const { answerLines, scripts, wordsOf } = await import("../completion/shells.js");
      const out = createOutput();
      if (words.length === 0) return out.line(scripts[shell].trimEnd());
      const { complete } = await import("../completion/cursor.js");
      const { words: read, kept } = wordsOf(shell, words);
      for (const line of answerLines(shell, await complete(program, read), kept)) out.line(line);
    });
}
