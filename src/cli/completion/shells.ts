/**
 * The shells. A script asks owl3 itself at each Tab, by `owl3 completion SHELL -- WORDS`, so that commands, options and names are those of the
 * installed version. The first line of the answer is "words", "files", "folders" or "none", and the words follow, one a line.
 */
import type { Completions } from "./cursor.js";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

const bash = `# Completion of owl3 for bash: eval "$(owl3 completion bash)" in ~/.bashrc
_owl3() {
    local line kind=
    COMPREPLY=()
    while IFS= read -r line; do
        if [ -z "$kind" ]; then kind=$line; else COMPREPLY+=("$line"); fi
    done < <(command owl3 completion bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    # Without words, "-o default" completes the names of files, with all of the shell's ways of quoting.
    case $kind in
        files) ;;
        folders) compopt +o default -o dirnames 2>/dev/null ;;
        *) compopt +o default 2>/dev/null ;;
    esac
}
complete -o default -F _owl3 owl3
`;

const zsh = `#compdef owl3
# Completion of owl3 for zsh: eval "$(owl3 completion zsh)" in ~/.zshrc, after compinit
_owl3() {
    local -a answer
    answer=("\${(@f)$(command owl3 completion zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    compset -P '--*='
    case $answer[1] in
        files) _files ;;
        folders) _files -/ ;;
        words) answer=("\${(@)answer[2,-1]}"); _describe owl3 answer ;;
    esac
}
if [ "$funcstack[1]" = _owl3 ]; then _owl3 "$@"; else compdef _owl3 owl3; fi
`;

const fish = `# Completion of owl3 for fish: owl3 completion fish > ~/.config/fish/completions/owl3.fish
function __owl3_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc) $current
    set -l answer (command owl3 completion fish -- $words[2..] 2>/dev/null)
    set -l lead (string match -r -- '^--[^=]*=' $current)
    set -l rest (string replace -r -- '^--[^=]*=' '' $current)
    set -l found $answer[2..]
    switch "$answer[1]"
        case files
            set found (__fish_complete_path $rest)
        case folders
            set found (__fish_complete_directories $rest)
    end
    for one in $found
        echo "$lead$one"
    end
end
complete -c owl3 -f -a '(__owl3_complete)'
`;

/** The script that a shell reads. */
export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };

/**
 * The words as commander sees them, and what of the last one the shell keeps: bash takes a word apart at "=" and ":", and replaces its last part only.
 */
export function wordsOf(shell: Shell, given: readonly string[]): { words: string[]; kept: string } {
  if (shell !== "bash") return { words: [...given], kept: "" };
  const words: string[] = [];
  let joins = false;
  for (const word of given) {
    const separates = /^[=:]+$/.test(word) && words.length > 0;
    if (separates || joins) words.push((words.pop() ?? "") + word);
    else words.push(word);
    joins = separates;
  }
  const last = words.at(-1) ?? "";
  const value = /^--[^=]*=/.test(last) ? last.slice(last.indexOf("=") + 1) : last;
  return { words, kept: value.slice(0, value.lastIndexOf(":") + 1) };
}

/** The answer to a script, line by line. */
export function answerLines(shell: Shell, { words, paths }: Completions, kept: string): string[] {
  return [words.length > 0 ? "words" : paths, ...words.map((word) => line(shell, word, kept))];
}

function line(shell: Shell, { word, about }: { word: string; about: string }, kept: string): string {
  if (shell === "bash") return word.slice(kept.length);
  if (shell === "fish") return about === "" ? word : `${word}\t${about}`;
  const plain = word.replaceAll("\\", "\\\\").replaceAll(":", "\\:");
  return about === "" ? plain : `${plain}:${about}`;
}
