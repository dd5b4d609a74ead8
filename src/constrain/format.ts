/** The form that an answer must have. */
export type AnswerFormat =
  /** JSON that is valid under a JSON Schema. `lax`: keywords and formats that are unknown are passed over instead of refused. */
  | { schema: unknown; lax?: boolean }
  /** One of some texts, letter by letter. */
  | { choices: readonly string[] }
  /** A text that matches a regular expression of ECMAScript as a whole. */
  | { regex: string }
  /** Any JSON object. */
  | { jsonObject: true };
