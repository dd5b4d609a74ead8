/** The settings of a run that its results depend on. */
export type Settings = Readonly<Record<string, unknown>>;

/** The options that results depend on, by the names that they have in JSON: all that were given but those in `free`. */
export function settingsOf(flags: object, free: ReadonlySet<string>): Settings {
  return Object.fromEntries(
    Object.entries(flags)
      .filter(([name, value]) => !free.has(name) && value !== undefined)
      .map(([name, value]): [string, unknown] => [name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Says in words which setting differs: "max_tokens 100, not 200"; undefined: none. Settings are compared as JSON. */
export function differentSetting(before: Settings | undefined, now: Settings): string | undefined {
  const text = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? "unset"));
  for (const key of new Set([...Object.keys(now), ...Object.keys(before ?? {})])) {
    const [a, b] = [text(before?.[key]), text(now[key])];
    if (a !== b) return `${key} ${shortened(a)}, not ${shortened(b)}`;
  }
  return undefined;
}

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
