import { stringify } from "yaml";
import { z } from "zod";

/** The part of JSON Schema that a configuration's schema comes down to. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly allOf?: readonly Shape[];
  readonly additionalProperties?: unknown;
}

const HEAD = `# Every key of vigil.yaml with its default. Copy this file to vigil.yaml, and take the # away from what you set and from the keys above it.
# A key without a value has no default. NAME behind a key is the environment variable that sets it and wins over the file; NAME_FILE names a file that
# holds the value. What begins with ## may stand in a list or a part that is not there by default. A secret may also stand outside of this file: "token: { env: NAME }" or "token: { file: /run/secrets/name }".
# Made from the configuration's schema by "npm run example"; a test holds it equal.
`;

/**
 * An annotated example of a configuration, all of it commented out.
 *
 * @param defaults what the schema makes of nothing
 * @param environment the variables that set keys, by variable
 */
export function exampleOf(schema: z.ZodType, defaults: unknown, environment: Readonly<Record<string, string>>): string {
  const shape = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Shape;
  const variables = new Map(Object.entries(environment).map(([variable, path]) => [path, variable]));
  return `${HEAD}${block(shape, defaults, "", 0, variables, { spaced: true }).join("\n")}\n`;
}

function block(
  shape: Shape,
  defaults: unknown,
  path: string,
  depth: number,
  variables: ReadonlyMap<string, string>,
  { spaced = false, mark = "#" }: { readonly spaced?: boolean; readonly mark?: string } = {},
): string[] {
  return Object.entries(shape.properties ?? {}).flatMap(([key, given]) => {
    const part = resolved(given);
    const full = path ? `${path}.${key}` : key;
    const value = (defaults as Record<string, unknown> | null | undefined)?.[key];
    const indent = "  ".repeat(depth);
    const head = (text: string) => line(mark, `${indent}${key}:${text}`, [part.description, choices(part), variables.get(full)]);
    const lines = part.properties
      ? [head(""), ...block(part, value ?? {}, full, depth + 1, variables, { mark: value === undefined ? "##" : mark })]
      : [head(inline(value ?? given.default)), ...items(part, depth + 1)];
    return spaced ? ["", ...lines] : lines;
  });
}

/** What may stand in a list of objects: one entry of each kind. */
function items({ items: item }: Shape, depth: number): string[] {
  const variants = item?.anyOf ?? item?.oneOf ?? (item?.properties ? [item] : []);
  const indent = "  ".repeat(depth);
  return variants.flatMap((variant) =>
    Object.entries(variant.properties ?? {}).map(([key, given], index) => {
      const part = resolved(given);
      const value = part.const ?? part.enum?.[0] ?? part.default;
      const needed = variant.required?.includes(key) && value === undefined ? "needed" : null;
      return line("##", `${indent}${index === 0 ? "- " : "  "}${key}:${inline(value)}`, [
        needed,
        part.description,
        choices(part),
      ]);
    }),
  );
}

/** The object or the list among alternatives, when there is just one. */
function resolved(shape: Shape): Shape {
  const options = [...(shape.allOf ?? []), ...(shape.anyOf ?? [])].filter(({ properties, items: item }) => properties || item);
  const [only] = options;
  return !shape.properties && only && options.length === 1
    ? { ...only, ...(shape.description ? { description: shape.description } : {}) }
    : shape;
}

function choices({ enum: values, items: item }: Shape): string | null {
  const all = values ?? (item?.enum && item.enum.length > 0 ? item.enum : undefined);
  return all && all.length > 1 ? `${values ? "one of" : "some of"} ${all.join(", ")}` : null;
}

const inline = (value: unknown): string =>
  value === undefined ? "" : ` ${stringify(value, { collectionStyle: "flow", lineWidth: 0 }).trim()}`;

function line(mark: string, text: string, notes: readonly (string | null | undefined)[]): string {
  const said = notes.filter((note) => note).join("; ");
  return `${mark}${text}${said ? `  # ${said}` : ""}`;
}
