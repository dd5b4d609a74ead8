/** Checks of values of JSON from elsewhere: each returns the value with its type, or throws an Error whose message names the place. */
export type Check<T> = (value: unknown, where: string) => T;

export const object: Check<Record<string, unknown>> = (value, where) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${where} is no object`);
  return value as Record<string, unknown>;
};

export const text: Check<string> = (value, where) => {
  if (typeof value !== "string") throw new Error(`${where} is no text`);
  return value;
};

export const number =
  (min: number, max: number): Check<number> =>
  (value, where) => {
    if (typeof value !== "number" || !(value >= min && value <= max))
      throw new Error(`${where} is no number from ${min} to ${max}`);
    return value;
  };

export const integer =
  (min: number, max = Number.MAX_SAFE_INTEGER): Check<number> =>
  (value, where) => {
    if (!Number.isSafeInteger(value)) throw new Error(`${where} is no integer`);
    return number(min, max)(value, where);
  };

export const list =
  <T>(item: Check<T>, max: number): Check<T[]> =>
  (value, where) => {
    if (!Array.isArray(value)) throw new Error(`${where} is no list`);
    if (value.length > max) throw new Error(`${where} has more than ${max} entries`);
    return value.map((each, i) => item(each, `${where}[${i}]`));
  };

/** An object with the field, or without it where the value is undefined. */
export function optional<K extends string, T>(
  key: K,
  check: Check<T>,
  value: unknown,
  where: string,
): { [P in K]?: T } {
  return (value === undefined ? {} : { [key]: check(value, `${where}.${key}`) }) as { [P in K]?: T };
}
