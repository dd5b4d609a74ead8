import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { isNativeCode, NativeError, UserError } from "../errors.js";
import type { Binding } from "./binding.js";

let loaded: Binding | undefined;

/** Returns the native addon, which is loaded on first use. */
export function native(): Binding {
  loaded ??= load(addonPath());
  return loaded;
}

/** Calls the addon synchronously; what it throws becomes a NativeError. */
export function nativeSync<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

/** Ends the process at once, even while the addon works; process.exit() would wait for it. */
export function exitNow(code: number): void {
  if (loaded) loaded.exitNow(code);
  process.exit(code);
}

/** Awaits a call of the addon; what it throws becomes a NativeError. */
export async function nativeCall<T>(call: Promise<T> | T): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw fromNative(error);
  }
}

/** Converts an error thrown by the addon to its typed error and returns anything else as it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UserError || !("code" in error)) return error;
  return isNativeCode(error.code) ? new NativeError(error.code, error.message, { cause: error }) : error;
}

/** The addon of this package: build/Release or, where only that was built, build/Debug. */
function addonPath(): string {
  const [release, debug] = ["Release", "Debug"].map((kind) =>
    fileURLToPath(new URL(`../../build/${kind}/owl3.node`, import.meta.url)),
  ) as [string, string];
  return !existsSync(release) && existsSync(debug) ? debug : release;
}

/** Loads an addon. Throws UserError, which says what to do, when it is missing or does not fit this machine. */
export function load(path: string): Binding {
  if (!existsSync(path))
    throw new UserError(
      `the native engine is not built (${path} is missing): run "npm rebuild owl3", or "npm ci" in a clone; it needs CMake and a C++ compiler.`,
    );
  try {
    return createRequire(import.meta.url)(path) as Binding;
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split("\n")[0];
    throw new UserError(
      `the native engine does not load on this machine (${reason}): build it here with "npm rebuild owl3".`,
      undefined,
      { cause: error },
    );
  }
}
