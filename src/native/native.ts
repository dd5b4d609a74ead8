import { createRequire } from "node:module";
import { isNativeCode, NativeError, UserError } from "../errors.js";
import { type AddonFile, addonFiles, addonPackages } from "./addon-file.js";
import type { Binding } from "./binding.js";

let loaded: { binding: Binding; file: AddonFile } | undefined;

/** Returns the native addon, which is loaded on first use. */
export function native(): Binding {
  loaded ??= load(addonFiles());
  return loaded.binding;
}

/** Returns the file that the native addon was loaded from, or undefined before its first use. */
export function addonFile(): AddonFile | undefined {
  return loaded?.file;
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
  if (loaded) loaded.binding.exitNow(code);
  process.exit(code);
}

/** Calls the addon and awaits the result; what is thrown, at once or later, becomes a NativeError. */
export async function nativeCall<T>(call: () => Promise<T> | T): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromNative(error);
  }
}

/** Converts an error thrown by the addon to its typed error and returns anything else as it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  // Memory may run out outside of all that gives errors a code, where arguments are read and results are made.
  if (error.message === "std::bad_alloc") return new NativeError("out_of_memory", "out of memory", { cause: error });
  if (!("code" in error)) return error;
  return isNativeCode(error.code) ? new NativeError(error.code, error.message, { cause: error }) : error;
}

/**
 * Loads the engine: the one that was built here, else that of a package. Throws UserError, which says what to do, when
 * there is none or none fits this machine.
 */
export function load(files: readonly AddonFile[]): { binding: Binding; file: AddonFile } {
  let failure: unknown;
  for (const file of files) {
    try {
      return { binding: createRequire(import.meta.url)(file.path) as Binding, file };
    } catch (error) {
      failure ??= error;
    }
  }
  if (files.length === 0)
    throw new UserError(
      `the native engine is missing: no package ${addonPackages()[0]} is installed; "owl3 build" compiles it here (it needs CMake and a C++ compiler).`,
    );
  const reason = (failure instanceof Error ? failure.message : String(failure)).split("\n")[0];
  throw new UserError(
    `the native engine does not load on this machine (${reason}): "owl3 build" compiles it here (it needs CMake and a C++ compiler).`,
    undefined,
    { cause: failure },
  );
}
