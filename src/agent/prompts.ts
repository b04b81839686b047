import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

/** A prompt that cannot be used; names the file, the key and the remedy. */
export class PromptError extends Error {
  override readonly name = "PromptError";
}

export interface Prompt {
  readonly name: string;
  readonly version: number;
  readonly inputs: readonly string[];
  readonly body: string;
}

const frontMatter = z.strictObject({
  name: z.string().min(1),
  version: z.number().int().positive(),
  inputs: z.array(z.string().regex(/^\w+$/)).default([]),
});

/** Reads `folder/name.md`: YAML front matter (name, version, inputs) and a body with `{{input}}` places. */
export function loadPrompt(folder: string, name: string): Prompt {
  const file = join(folder, `${name}.md`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new PromptError(`The prompt ${file} cannot be read; check the prompts folder.`, { cause });
  }
  const parts = /^---\r?\n([\s\S]*?)\r?\n---\r?\n([\s\S]*)$/.exec(text);
  if (!parts) throw new PromptError(`${file} has no front matter; begin it with --- name, version and inputs ---.`);
  const head = frontMatter.safeParse(parse(parts[1] ?? ""));
  if (!head.success)
    throw new PromptError(`${file}: ${head.error.issues.map((one) => `${one.path.join(".")}: ${one.message}`).join("; ")}.`);
  if (head.data.name !== name) throw new PromptError(`${file} calls itself "${head.data.name}"; name it "${name}".`);
  const body = (parts[2] ?? "").trim();
  const used = new Set([...body.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] as string));
  for (const place of used) {
    if (!head.data.inputs.includes(place)) throw new PromptError(`${file} uses {{${place}}}, which its inputs do not list.`);
  }
  for (const input of head.data.inputs) {
    if (!used.has(input)) throw new PromptError(`${file} lists the input "${input}" but never uses it.`);
  }
  return { ...head.data, body };
}

/** Fills every place once; inserted text is never searched for places again. */
export function renderPrompt(prompt: Prompt, inputs: Readonly<Record<string, string>>): string {
  for (const key of prompt.inputs) {
    if (inputs[key] === undefined) throw new PromptError(`The prompt ${prompt.name} needs the input "${key}".`);
  }
  for (const key of Object.keys(inputs)) {
    if (!prompt.inputs.includes(key))
      throw new PromptError(`The prompt ${prompt.name} has no input "${key}"; it has ${prompt.inputs.join(", ") || "none"}.`);
  }
  return prompt.body.replace(/\{\{(\w+)\}\}/g, (_, key: string) => inputs[key] ?? "");
}

/** `investigate@1`. */
export const versionOf = ({ name, version }: Prompt): string => `${name}@${version}`;

/** A prompt filled in, with the versions of everything that it is made of. */
export interface Composed {
  readonly text: string;
  readonly versions: readonly string[];
}

/** All prompts of a folder that code uses, read and checked once. Inputs that are names of parts are filled with those parts. */
export class Prompts {
  readonly #known: ReadonlyMap<string, Prompt>;

  /** @throws PromptError when one of them cannot be used */
  constructor(folder: string) {
    this.#known = new Map([...PARTS, ...WHOLE].map((name) => [name, loadPrompt(folder, name)]));
  }

  compose(name: (typeof WHOLE)[number], values: Readonly<Record<string, string>>): Composed {
    const whole = this.#get(name);
    const parts = whole.inputs.filter((input) => (PARTS as readonly string[]).includes(input)).map((part) => this.#get(part));
    const own = (prompt: Prompt) =>
      Object.fromEntries(prompt.inputs.flatMap((key) => (key in values ? [[key, values[key] ?? ""]] : [])));
    const filled = Object.fromEntries(parts.map((part) => [part.name, renderPrompt(part, own(part))]));
    return { text: renderPrompt(whole, { ...own(whole), ...filled }), versions: [whole, ...parts].map(versionOf) };
  }

  #get(name: string): Prompt {
    const prompt = this.#known.get(name);
    if (!prompt) throw new PromptError(`There is no prompt ${name}.`);
    return prompt;
  }
}

const PARTS = ["role", "method", "evidence", "safety"] as const;
const WHOLE = ["investigate", "answer", "task", "revise"] as const;
