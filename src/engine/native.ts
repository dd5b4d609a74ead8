import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type NativeCode, NativeError, UserError } from "../errors.js";
import type { Binding } from "./binding.js";

let loaded: Binding | undefined;

/** The native addon, loaded on first use. */
export function native(): Binding {
  loaded ??= load();
  return loaded;
}

/** Awaits a call of the addon; what it throws becomes a NativeError. */
export async function nativeCall<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw fromNative(error);
  }
}

/** The typed error for one thrown by the addon; anything else is returned as it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UserError || !("code" in error)) return error;
  return nativeCodes.has(error.code as string)
    ? new NativeError(error.code as NativeCode, error.message, { cause: error })
    : error;
}

const nativeCodes = new Set<string>([
  "invalid_argument",
  "not_found",
  "unreadable",
  "bad_model",
  "out_of_memory",
  "io",
  "unsupported",
  "internal",
] satisfies NativeCode[]);

function load(): Binding {
  const path = fileURLToPath(new URL("../../build/Release/owl3.node", import.meta.url));
  if (!existsSync(path))
    throw new UserError(
      `the native engine is not built (${path} is missing): run "npx cmake-js compile" in owl3's folder; it needs a C++ compiler and CMake.`,
    );
  try {
    return createRequire(import.meta.url)(path) as Binding;
  } catch (error) {
    throw new UserError(`the native engine can't be loaded: ${(error as Error).message}`, undefined, { cause: error });
  }
}
