import type { z } from "zod";

const KIND: Readonly<Record<string, string>> = {
  number: "a number",
  string: "text",
  boolean: "true or false",
  int: "a whole number",
};

/** What is wrong with an argument of an action, in words for the person who wished for it. */
export function wrongArgument(issue: z.core.$ZodIssue, action: string): string {
  const name = issue.path.join(".") || action;
  switch (issue.code) {
    case "too_big":
      return `${name} may be at most ${issue.maximum}`;
    case "too_small":
      return `${name} must be at least ${issue.minimum}`;
    case "invalid_type":
      return `${name} must be given as ${KIND[issue.expected] ?? issue.expected}`;
    case "unrecognized_keys":
      return `${name} takes no ${issue.keys.join(", ")}`;
    default:
      return `${name}: ${issue.message}`;
  }
}
