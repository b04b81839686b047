import { parseDocument } from "yaml";
import type { DocumentKind } from "../domain/knowledge.ts";

/** A document as it is indexed. */
export interface KnowledgeDocument {
  readonly id: string;
  readonly kind: DocumentKind;
  readonly title: string;
  readonly file: string;
  readonly services: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly text: string;
}

/** A file whose front matter cannot be read; the message names file, line and remedy. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
}

const FRONT_MATTER = /^---\r?\n([\s\S]*?)\r?\n---\r?\n?/;
const kinds: Readonly<Record<string, DocumentKind>> = {
  incidents: "incident",
  incident: "incident",
  runbooks: "runbook",
  runbook: "runbook",
  architecture: "architecture",
  postmortems: "post-mortem",
  "post-mortems": "post-mortem",
};

/**
 * Reads a Markdown or text file. Title: front matter, else the first heading, else the file name. Kind: front matter, else the folder.
 *
 * @throws DocumentError when the front matter is not YAML
 */
export function parseMarkdown(file: string, raw: string): KnowledgeDocument {
  const match = FRONT_MATTER.exec(raw);
  const front: Record<string, unknown> = {};
  if (match) {
    const document = parseDocument(match[1] ?? "", { prettyErrors: true });
    const [error] = document.errors;
    if (error) {
      const line = (error.linePos?.[0].line ?? 1) + 1;
      throw new DocumentError(
        `${file}:${line}: the front matter is not valid YAML (${error.message.split("\n")[0]}). Correct it, or remove it.`,
      );
    }
    const value: unknown = document.toJS();
    if (typeof value === "object" && value !== null && !Array.isArray(value)) Object.assign(front, value);
  }
  const text = match ? raw.slice(match[0].length) : raw;
  const heading = /^#\s+(.+)$/m.exec(text)?.[1]?.trim();
  const name = (file.split("/").at(-1) ?? file).replace(/\.[a-z]+$/i, "");
  const folder = file.split("/").at(-2) ?? "";
  const services = Array.isArray(front.services)
    ? front.services.map(String)
    : typeof front.services === "string"
      ? front.services.split(/,\s*/)
      : [];
  const metadata = Object.fromEntries(
    Object.entries(front)
      .filter(([key]) => !["services", "id", "title", "kind"].includes(key))
      .map(([key, value]) => [
        key,
        value instanceof Date ? value.toISOString() : Array.isArray(value) ? value.join(", ") : String(value),
      ]),
  );
  return {
    id: typeof front.id === "string" && front.id ? front.id : file,
    kind: kinds[String(front.kind ?? folder).toLowerCase()] ?? "note",
    title:
      typeof front.title === "string"
        ? heading && heading !== front.title
          ? `${front.title} ${heading}`
          : front.title
        : (heading ?? name),
    file,
    services,
    metadata,
    text,
  };
}

/** A passage that is embedded as one: a section under its heading, long ones cut at paragraphs. */
export interface Chunk {
  readonly heading: string;
  readonly text: string;
}

const LONGEST_CHUNK = 700;

/** Splits at headings; every chunk is embedded with the document's title before it, so that a section does not lose its subject. */
export function chunksOf(document: KnowledgeDocument): Chunk[] {
  const sections: { heading: string; lines: string[] }[] = [{ heading: "", lines: [] }];
  let fenced = false;
  for (const line of document.text.split(/\r?\n/)) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced;
    const heading = fenced ? null : /^#{1,6}\s+(.+?)\s*$/.exec(line);
    if (heading) sections.push({ heading: heading[1] ?? "", lines: [] });
    else sections.at(-1)?.lines.push(line);
  }
  const facts = ["root_cause", "resolution"].flatMap((key) => document.metadata[key] ?? []);
  const chunks = sections.flatMap(({ heading, lines }) => cut(lines.join("\n").trim()).map((text) => ({ heading, text })));
  if (facts.length > 0) chunks.unshift({ heading: "", text: facts.join(". ") });
  return chunks.length > 0 ? chunks : [{ heading: "", text: document.title }];
}

function cut(text: string): string[] {
  if (text === "") return [];
  const parts: string[] = [];
  let part = "";
  for (const paragraph of text.split(/\n\s*\n/)) {
    if (part && part.length + paragraph.length > LONGEST_CHUNK) {
      parts.push(part);
      part = "";
    }
    part = part ? `${part}\n\n${paragraph}` : paragraph;
  }
  if (part) parts.push(part);
  return parts;
}

/** What is embedded for a chunk. */
export const embeddedText = (document: KnowledgeDocument, chunk: Chunk): string =>
  `${splitNames(document.title)}. ${chunk.heading}. ${chunk.text}`.slice(0, 1_000);

/** Names made of several words as those words: `KubePodNotReady`, `http_requests_total`. */
export const splitNames = (text: string): string =>
  text
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .replace(/[_/.:-]+/g, " ");
