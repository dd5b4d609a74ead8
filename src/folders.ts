/** The folders of this user, by the XDG Base Directory Specification. */
import { homedir, userInfo } from "node:os";
import path from "node:path";

/** The folder of the user's data: owl3 in $XDG_DATA_HOME, else in ~/.local/share. */
export function dataFolder(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(absolute(env.XDG_DATA_HOME) ?? path.join(homeFolder(), ".local/share"), "owl3");
}

/** The home folder. An empty or relative $HOME would put files into the current folder; the system's own record of the user counts then. */
export function homeFolder(): string {
  const home = homedir();
  return path.isAbsolute(home) ? home : userInfo().homedir;
}

/** Replaces a leading ~ by the home folder, as shells do. */
export const expandHome = (file: string): string =>
  file === "~" || file.startsWith("~/") ? path.join(homeFolder(), file.slice(1)) : file;

/** A folder of the environment; the specification ignores relative ones. */
export const absolute = (folder: string | undefined) => (folder && path.isAbsolute(folder) ? folder : undefined);
