import type { z } from "zod";
import { ApiError } from "./json-api.ts";

/**
 * What a schema makes of an answer.
 *
 * @param system its name and the configuration key of its address, for the message
 * @throws ApiError when it is JSON of another shape
 */
export function shaped<T>(system: { readonly name: string; readonly key: string }, schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ApiError(
    `${system.name} answered in another shape than its API has (${issue?.path.join(".") || "top level"}: ${issue?.message}); ` +
      `check ${system.key} and the version.`,
    { fault: "garbage", status: 200, said: "", outcomeUnknown: false },
  );
}
