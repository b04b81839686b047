import { z } from "zod";
import { distance, nearest } from "../domain/nearest.ts";

/** Letters that a misspelt key may be away from the one that is meant. */
const TYPO = 3;
/** Sections named for a key that stands in many of them. */
const MOST_PLACES = 3;

/** What is wrong with a value of the configuration, in words for people where the validator's are its own. */
export function wordsOf(issue: z.core.$ZodIssue, schema: z.ZodType): string {
  if (issue.code === "unrecognized_keys") {
    const whole = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Shape;
    const known = keysAt(whole, issue.path);
    return known.length === 0
      ? `${issue.message}; vigil.example.yaml has every key`
      : issue.keys.map((key) => unknownKey(key, known, placesOf(whole, key, ""))).join("; ");
  }
  if (issue.code === "invalid_type" && issue.expected === "number") return "must be a number";
  return issue.message;
}

function unknownKey(key: string, known: readonly string[], elsewhere: readonly string[]): string {
  if (elsewhere.length > 0)
    return `there is no key ${JSON.stringify(key)} here; did you mean ${elsewhere.slice(0, MOST_PLACES).join(" or ")}?`;
  const [near] = nearest(key, known, 1);
  const meant = near !== undefined && distance(key.toLowerCase(), near.toLowerCase()) <= TYPO;
  return `there is no key ${JSON.stringify(key)} here; ${meant ? `did you mean ${near}?` : `there are ${known.join(", ")}`}`;
}

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
}

/** The keys of a section; none where what may stand there depends on what stands there. */
function keysAt(whole: Shape, path: readonly PropertyKey[]): string[] {
  const at = path.reduce<Shape | undefined>((shape, part) => shape?.properties?.[String(part)], whole);
  return Object.keys(at?.properties ?? {});
}

/** Where a key of that name stands. */
function placesOf(shape: Shape, key: string, path: string): string[] {
  return Object.entries(shape.properties ?? {}).flatMap(([name, part]) => {
    const full = path ? `${path}.${name}` : name;
    return [...(name === key ? [full] : []), ...placesOf(part, key, full)];
  });
}
