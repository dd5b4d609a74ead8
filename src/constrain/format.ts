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

/** OpenAI's `response_format`, whose `json_schema` is taken apart. */
export type OpenAiForm =
  | { type: "text" }
  | { type: "json_object" }
  | { type: "json_schema"; schema: unknown; strict?: boolean | null | undefined };

/** The form of an answer, if one is asked for. A schema that is not strict may have keywords that are not known, as OpenAI's may. */
export function formatOf(form: OpenAiForm | null | undefined): AnswerFormat | undefined {
  if (!form || form.type === "text") return undefined;
  if (form.type === "json_object") return { jsonObject: true };
  return { schema: form.schema, ...(form.strict !== true && { lax: true }) };
}
