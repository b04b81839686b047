import { parseDocument } from "yaml";
import type { DocumentKind } from "../domain/knowledge.ts";
import { splitNames } from "./words.ts";

/** A document as it is indexed. */
export interface KnowledgeDocument {
  readonly id: string;
  readonly kind: DocumentKind;
  readonly title: string;
  /** Other names that it goes by: its first heading and its file's name, where they differ from the title. */
  readonly aliases: readonly string[];
  readonly file: string;
  readonly services: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly text: string;
}

/** A file whose front matter cannot be read; the message names file, line and remedy. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
}

const FRONT_MATTER = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)(?:\r?\n)?---[ \t]*(?:\r?\n|$)/;
const OWN_KEYS = new Set(["services", "id", "title", "kind"]);
const KINDS: Readonly<Record<string, DocumentKind>> = {
  incidents: "incident",
  incident: "incident",
  runbooks: "runbook",
  runbook: "runbook",
  architecture: "architecture",
  postmortems: "post-mortem",
  postmortem: "post-mortem",
  "post-mortems": "post-mortem",
  "post-mortem": "post-mortem",
};

/**
 * Reads a Markdown or text file. Title: front matter, else the first heading, else the file name. Kind: front matter, else the folder.
 * A file that begins with a rule (`---`) which nothing closes has no front matter.
 *
 * @param file path relative to the ingested folder, with `/`
 * @throws DocumentError when the front matter is not YAML, or not keys with values
 */
export function parseMarkdown(file: string, raw: string): KnowledgeDocument {
  const match = FRONT_MATTER.exec(raw);
  const front = match ? frontMatter(file, match[1] ?? "") : {};
  const text = match ? raw.slice(match[0].length) : raw;
  const heading = /^#\s+(.+?)\s*#*\s*$/m.exec(text)?.[1];
  const name = (file.split("/").at(-1) ?? file).replace(/\.[a-z]+$/i, "");
  const title = textOf(front.title) ?? heading ?? name;
  const services = Array.isArray(front.services) ? front.services.map(String) : (textOf(front.services)?.split(/,\s*/) ?? []);
  return {
    id: textOf(front.id) ?? file,
    kind: KINDS[String(front.kind ?? file.split("/").at(-2) ?? "").toLowerCase()] ?? "note",
    title,
    aliases: [...new Set([heading ?? title, name])].filter((other) => other !== title),
    file,
    services,
    metadata: Object.fromEntries(
      Object.entries(front)
        .filter(([key, value]) => !OWN_KEYS.has(key) && value !== null)
        .map(([key, value]) => [key, Array.isArray(value) ? value.map(asText).join(", ") : asText(value)]),
    ),
    text,
  };
}

const textOf = (value: unknown): string | null =>
  (typeof value === "string" || typeof value === "number") && String(value).trim() ? String(value).trim() : null;

const asText = (value: unknown): string =>
  value instanceof Date ? value.toISOString() : typeof value === "object" ? JSON.stringify(value) : String(value);

function frontMatter(file: string, yaml: string): Readonly<Record<string, unknown>> {
  const document = parseDocument(yaml, { prettyErrors: true });
  const [error] = document.errors;
  if (error) {
    // The fence is the first line of the file.
    const line = (error.linePos?.[0].line ?? 1) + 1;
    const reason = error.message.split(/ at line \d|\n/)[0];
    throw new DocumentError(
      `${file}:${line}: the front matter is not valid YAML: ${reason}. Quote the value or correct the line.`,
    );
  }
  let value: unknown;
  try {
    // Aliases are capped: a few lines of YAML must not grow to gigabytes.
    value = document.toJS({ maxAliasCount: 20 });
  } catch (reason) {
    throw new DocumentError(
      `${file}:2: the front matter cannot be read: ${reason instanceof Error ? reason.message : String(reason)}.`,
    );
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw new DocumentError(`${file}:2: the front matter must be keys with values, such as "title: Disk full".`);
  return value as Record<string, unknown>;
}

/** A passage that is embedded as one. */
export interface Chunk {
  readonly heading: string;
  readonly text: string;
}

/** Characters. A section is cut at paragraphs beyond the longest; neighbours are joined while they are shorter than the shortest. */
const LONGEST_CHUNK = 800;
const SHORTEST_CHUNK = 220;

/** Splits at headings and paragraphs, as passages that stand by themselves are found best (Callan 1994). The root cause and the resolution of the front matter, where there are any, are a passage of their own. */
export function chunksOf(document: KnowledgeDocument): Chunk[] {
  const facts = ["root_cause", "resolution"].flatMap((key) => document.metadata[key] ?? []);
  const chunks: Chunk[] = facts.length > 0 ? [{ heading: "", text: facts.join(" ") }] : [];
  const first = chunks.length;
  for (const { heading, text } of sectionsOf(document.text)) {
    for (const part of cut(text)) {
      const before = chunks.length > first ? chunks.at(-1) : undefined;
      if (before && (before.text.length < SHORTEST_CHUNK || part.length < SHORTEST_CHUNK) && fits(before.text, part))
        chunks[chunks.length - 1] = { heading: before.heading || heading, text: `${before.text}\n\n${part}` };
      else chunks.push({ heading, text: part });
    }
  }
  return chunks.length > 0 ? chunks : [{ heading: "", text: document.title }];
}

const fits = (before: string, part: string): boolean => before.length + part.length <= LONGEST_CHUNK;

/** A heading and what stands below it up to the next one. Lines of code are no headings. */
function sectionsOf(text: string): { heading: string; text: string }[] {
  const sections: { heading: string; lines: string[] }[] = [{ heading: "", lines: [] }];
  let fenced = false;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced;
    const heading = fenced ? null : /^#{1,6}\s+(.+?)\s*$/.exec(line);
    if (heading) sections.push({ heading: heading[1] ?? "", lines: [] });
    else sections.at(-1)?.lines.push(line);
  }
  return sections
    .map(({ heading, lines }) => ({ heading, text: lines.join("\n").trim() }))
    .filter(({ text: body }) => body !== "");
}

function cut(text: string): string[] {
  const parts: string[] = [];
  for (const paragraph of text.split(/\n\s*\n/)) {
    const before = parts.at(-1);
    if (before !== undefined && fits(before, paragraph)) parts[parts.length - 1] = `${before}\n\n${paragraph}`;
    else parts.push(paragraph);
  }
  // A paragraph longer than a chunk is a table or a log: its beginning says what it is, and so does every later piece of it.
  return parts.flatMap((part) => part.match(new RegExp(`[\\s\\S]{1,${LONGEST_CHUNK}}`, "g")) ?? []);
}

const LEAD = /meaning|symptom|signal|summary|what happened|overview|impact|description|noticed|saw|when to use/i;

/** The section that says what a document is about, else its first words. */
export function leadOf(document: KnowledgeDocument): string {
  const sections = sectionsOf(document.text);
  const lead = sections.find(({ heading }) => LEAD.test(heading)) ?? sections[0];
  return `${lead?.text.slice(0, LONGEST_CHUNK) ?? ""}\n${document.metadata.root_cause ?? ""}`;
}

/** What is embedded for a chunk: with the document's title before it, so that a section does not lose its subject. */
export const embeddedText = (document: KnowledgeDocument, chunk: Chunk): string =>
  `${splitNames(document.title)}. ${chunk.heading}. ${chunk.text}`.slice(0, 1_000);
