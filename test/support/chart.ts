import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments, stringify } from "yaml";

type Values = Record<string, unknown>;
interface Release {
  readonly name: string;
  readonly namespace: string;
}

/**
 * Renders a chart that keeps to a small part of Helm's language: values and release by path, `if` with `not` and `gt (int …) n`, `end`, `fail`, and `toYaml … | nindent`.
 * Anything else is an error, so that the chart stays within what is rendered here as Helm renders it.
 */
export function renderChart(folder: string, release: Release, given: Values = {}): Values[] {
  const scope = scopeOf(folder, release, given);
  return readdirSync(join(folder, "templates"))
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .flatMap((file) => objects(renderTemplate(readFileSync(join(folder, "templates", file), "utf8"), scope, file)));
}

/** What Helm says after it installed or upgraded. */
export const renderNotes = (folder: string, release: Release, given: Values = {}): string =>
  renderTemplate(readFileSync(join(folder, "templates/NOTES.txt"), "utf8"), scopeOf(folder, release, given), "NOTES.txt");

const scopeOf = (folder: string, release: Release, given: Values): Values => ({
  Values: merged(parse(readFileSync(join(folder, "values.yaml"), "utf8")) as Values, given),
  Release: { Name: release.name, Namespace: release.namespace },
});

export const objects = (text: string): Values[] =>
  parseAllDocuments(text)
    .map((document) => {
      const [error] = document.errors;
      if (error) throw error;
      return document.toJS() as Values | null;
    })
    .filter((value) => value !== null);

function renderTemplate(text: string, scope: Values, file: string): string {
  const out: string[] = [];
  const open: boolean[] = [];
  const pattern = /(\s*)\{\{(-?)\s*(.*?)\s*(-?)\}\}(\s*)/gs;
  let at = 0;
  const emit = (part: string) => {
    if (open.every(Boolean)) out.push(part);
  };
  for (const match of text.matchAll(pattern)) {
    const [whole, before = "", trimLeft, action = "", trimRight, after = ""] = match;
    emit(text.slice(at, match.index) + (trimLeft ? "" : before));
    at = match.index + whole.length;
    const condition = /^if (not )?(\.[\w.]+)$/.exec(action);
    const more = /^if gt \(int (\.[\w.]+)\) (\d+)$/.exec(action);
    const failing = /^fail "([^"]*)"$/.exec(action)?.[1];
    const block = /^toYaml (\.[\w.]+) \| nindent (\d+)$/.exec(action);
    if (condition) open.push(Boolean(valueAt(scope, condition[2] ?? "")) !== Boolean(condition[1]));
    else if (more) open.push(Number(valueAt(scope, more[1] ?? "")) > Number(more[2]));
    else if (failing !== undefined) {
      if (open.every(Boolean)) throw new Error(failing);
    } else if (action === "end") {
      if (open.pop() === undefined) throw new Error(`${file}: an end too many`);
    } else if (block) {
      const indent = " ".repeat(Number(block[2]));
      const lines = stringify(valueAt(scope, block[1] ?? ""), { lineWidth: 0 })
        .trimEnd()
        .split("\n");
      emit(`\n${lines.map((line) => indent + line).join("\n")}`);
    } else if (/^\.[\w.]+$/.test(action)) {
      const value = valueAt(scope, action);
      if (typeof value !== "string" && typeof value !== "number") throw new Error(`${file}: ${action} is not set`);
      emit(String(value));
    } else throw new Error(`${file}: {{ ${action} }} is beyond what these tests render`);
    emit(trimRight ? "" : after);
  }
  emit(text.slice(at));
  if (open.length > 0) throw new Error(`${file}: an end is missing`);
  return out.join("");
}

function valueAt(scope: Values, path: string): unknown {
  return path
    .split(".")
    .filter(Boolean)
    .reduce<unknown>((at, key) => (at as Values | undefined)?.[key], scope);
}

function merged(under: Values, over: Values): Values {
  const result = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = under[key];
    const both = [value, below].every((one) => typeof one === "object" && one !== null && !Array.isArray(one));
    result[key] = both ? merged(below as Values, value as Values) : value;
  }
  return result;
}
