import type { z } from "zod";
import { badRequest } from "./errors.js";

/** Checks a body and names the first member that is wrong. Throws ApiError. */
export function validate<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const checked = schema.safeParse(body);
  if (checked.success) return checked.data;
  const [first] = checked.error.issues;
  const { path, message } = first ? deepest(first) : { path: [], message: "it is wrong" };
  const param = path.map(String).join(".");
  throw badRequest(
    param === "" ? `the body is wrong: ${message}.` : `${param} is wrong: ${message}.`,
    param || undefined,
  );
}

type Issue = z.core.$ZodIssue;

/** The issue that says most. Of a union that is the one of the branch that was meant: of the right kind, but wrong inside. */
function deepest(issue: Issue): { path: PropertyKey[]; message: string } {
  if (issue.code === "invalid_union") {
    for (const branch of issue.errors) {
      const [first] = branch;
      if (!first) continue;
      const inner = deepest(first);
      if (inner.path.length > 0) return { path: [...issue.path, ...inner.path], message: inner.message };
    }
  }
  return { path: issue.path, message: issue.message.replace(/^Invalid input: /, "").replace(/\.$/, "") };
}
