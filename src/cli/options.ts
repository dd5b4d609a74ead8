import { InvalidArgumentError, Option } from "commander";

/** Parsers and options that several commands share. An error of a parser is one sentence and gives exit code 2. */

/** Parses an integer from `min` to `max`, written in decimal digits. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Expected an integer ${range(min, max)}.`);
    return value;
  };
}

/** Parses a finite number from `min` to `max`. */
export function number(min: number, max = Number.MAX_VALUE): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Expected a number ${range(min, max)}.`);
    return value;
  };
}

function range(min: number, max: number): string {
  return max >= Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
}

/** Makes a parser of one whose errors are the library's. */
export function parsed<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}

/** Collects the values of an option that may be given several times. */
export function collect(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** Gives an option the names that it has in other programs; the help does not list them. */
export function alsoNamed(option: Option, ...names: string[]): Option {
  const known = option as Option & { is(arg: string): boolean };
  const is = known.is.bind(option);
  return Object.assign(option, { is: (arg: string) => is(arg) || names.includes(arg), otherNames: names });
}

/** The other names of an option. */
export const otherNames = (option: Option): readonly string[] =>
  (option as Option & { otherNames?: readonly string[] }).otherNames ?? [];

export const modelOption = (): Option =>
  new Option("-m, --model <file>", "GGUF file or a model's name [$OWL3_MODEL, config file]");
export const threadsOption = (): Option =>
  new Option("--threads <n>", "threads of the engine (default: physical cores)").argParser(integer(1, 1024));
export const deviceOption = (): Option =>
  new Option("--device <names>", "devices that compute, such as cpu or cuda:0,cuda:1 (see doctor)").default(
    "auto",
    "auto",
  );
/** llama.cpp's number of layers on the GPU. */
export const gpuLayersOption = (): Option =>
  alsoNamed(
    new Option("--gpu-layers <n>", "layers on GPUs, the CPU having the others (default: as many as fit)"),
    "-ngl",
    "--n-gpu-layers",
  ).argParser(integer(-1, 1 << 24));
export const precisionOption = (): Option =>
  new Option("--precision <p>", "arithmetic: fast or exact").choices(["auto", "fast", "exact"]).default("auto");
export const kvTypeOption = (): Option =>
  new Option("--kv-type <type>", "type of the KV cache").choices(["f32", "f16", "q8_0"]);
export const decoderOption = (): Option =>
  new Option("--decoder <name>", "decoder of videos").choices(["auto", "builtin", "system"]);
export const previewOptions = (): Option[] => [
  new Option("--preview", "show the pictures on a terminal that can [config file]"),
  new Option("--no-preview", "show no pictures"),
];
export const jsonOption = (what = "print one JSON object"): Option => new Option("--json", what);
export const quietOption = (): Option => new Option("-q, --quiet", "print nothing but the answer");
