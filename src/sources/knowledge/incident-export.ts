import { basename } from "node:path";
import { z } from "zod";
import type { DocumentSource, SourceDocument } from "../../knowledge/source.ts";
import { exportedFiles } from "./archive.ts";
import { withFrontMatter } from "./front-matter.ts";
import { markdownOf } from "./html.ts";

const named = z.looseObject({ name: z.string().nullish(), summary: z.string().nullish() }).nullish();
const nameOf = (value: z.output<typeof named>): string | null => value?.name ?? value?.summary ?? null;

/** An incident of PagerDuty's REST API v2, with the notes and the post-mortem that belong to it where the export has them. */
const pagerDutyIncident = z.looseObject({
  id: z.string(),
  incident_number: z.number().nullish(),
  title: z.string().nullish(),
  description: z.string().nullish(),
  created_at: z.string().nullish(),
  resolved_at: z.string().nullish(),
  last_status_change_at: z.string().nullish(),
  status: z.string().nullish(),
  urgency: z.string().nullish(),
  priority: named,
  service: named,
  html_url: z.string().nullish(),
  notes: z.array(z.looseObject({ content: z.string(), created_at: z.string().nullish(), user: named })).nullish(),
  body: z.looseObject({ details: z.unknown() }).nullish(),
  postmortem: z.unknown().optional(),
  post_mortem: z.unknown().optional(),
});

/** An incident of incident.io's API v2, with its post-mortem's text where the export has it. */
const incidentIoIncident = z.looseObject({
  id: z.string(),
  reference: z.string().nullish(),
  name: z.string(),
  summary: z.string().nullish(),
  created_at: z.string().nullish(),
  permalink: z.string().nullish(),
  severity: named,
  incident_status: named,
  visibility: z.string().nullish(),
  custom_field_entries: z
    .array(
      z.looseObject({
        custom_field: named,
        values: z.array(
          z.looseObject({
            value_catalog_entry: named,
            value_text: z.string().nullish(),
            value_option: z.looseObject({ value: z.string() }).nullish(),
          }),
        ),
      }),
    )
    .nullish(),
  incident_timestamp_values: z
    .array(z.looseObject({ incident_timestamp: named, value: z.looseObject({ value: z.string().nullish() }).nullish() }))
    .nullish(),
  postmortem: z.unknown().optional(),
  post_mortem: z.unknown().optional(),
  postmortem_document_url: z.string().nullish(),
});

export type IncidentSystem = "pagerduty" | "incident-io";

/**
 * Incidents and post-mortems that were exported from PagerDuty or incident.io: JSON as their APIs give incidents (one, a list, or a page of a
 * list), and Markdown or HTML of single post-mortems; in a file, a folder or a zip. A private incident of incident.io is left out.
 */
export function incidentExport(options: {
  readonly system: IncidentSystem;
  readonly path: string;
  readonly collection: string;
  readonly audience: string | null;
}): DocumentSource {
  const { system, path, collection, audience } = options;
  const metadata = { source: `${system === "pagerduty" ? "PagerDuty" : "incident.io"} export ${basename(path)}` };
  const document = (file: string, text: string): SourceDocument => ({ file, version: null, metadata, read: async () => text });
  return {
    collection,
    audience,
    documents: async (onProblem) => {
      const files = await exportedFiles(path, /\.(json|md|html?)$/i);
      const documents: SourceDocument[] = [];
      for (const { file, read } of files) {
        const raw = await read();
        if (/\.md$/i.test(file)) documents.push(document(file, kindOf(raw)));
        else if (/\.html?$/i.test(file)) documents.push(document(file, kindOf(markdownOf(raw))));
        else documents.push(...incidentsIn(file, raw, system, onProblem).map(({ id, text }) => document(id, text)));
      }
      return documents;
    },
  };
}

/** A page that says nothing of its kind is a post-mortem: that is what was exported. */
const kindOf = (markdown: string): string =>
  markdown.startsWith("---") ? markdown : withFrontMatter({ kind: "post-mortem" }, markdown);

function incidentsIn(file: string, raw: string, system: IncidentSystem, onProblem: (problem: string) => void) {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch (error) {
    onProblem(`${file}: is not JSON (${(error as Error).message}); left out.`);
    return [];
  }
  const page = value as { incidents?: unknown; incident?: unknown };
  const list = Array.isArray(value) ? value : Array.isArray(page.incidents) ? page.incidents : [page.incident ?? value];
  return list.flatMap((one: unknown, index) => {
    const text = system === "pagerduty" ? pagerDutyText(one) : incidentIoText(one);
    if (typeof text === "object") return [text];
    if (text !== "") onProblem(`${file}: entry ${index + 1} ${text}; left out.`);
    return [];
  });
}

type Written = { readonly id: string; readonly text: string };

function pagerDutyText(value: unknown): Written | string {
  const read = pagerDutyIncident.safeParse(value);
  if (!read.success) return `is no incident of PagerDuty (${read.error.issues[0]?.path.join(".")})`;
  const one = read.data;
  const postMortem = written(one.postmortem ?? one.post_mortem);
  const title = one.title ?? one.description ?? `Incident ${one.incident_number ?? one.id}`;
  const notes = (one.notes ?? []).map(
    ({ user, created_at, content }) => `- ${created_at ?? ""} ${nameOf(user) ?? ""}: ${content}`,
  );
  const resolved = one.resolved_at ?? (one.status === "resolved" ? one.last_status_change_at : null);
  return {
    id: one.id,
    text: withFrontMatter(
      {
        id: `pagerduty:${one.id}`,
        title,
        kind: postMortem ? "post-mortem" : "incident",
        services: nameOf(one.service) ? [nameOf(one.service) ?? ""] : [],
        severity: nameOf(one.priority) ?? one.urgency,
        started: one.created_at,
        resolved,
        link: one.html_url,
      },
      [written(one.body?.details) ?? "", postMortem ?? "", ...(notes.length > 0 ? ["## Notes", notes.join("\n")] : [])].join(
        "\n\n",
      ),
    ),
  };
}

function incidentIoText(value: unknown): Written | string {
  const read = incidentIoIncident.safeParse(value);
  if (!read.success) return `is no incident of incident.io (${read.error.issues[0]?.path.join(".")})`;
  const one = read.data;
  if (one.visibility === "private") return `${one.reference ?? one.id} is private`;
  const postMortem = written(one.postmortem ?? one.post_mortem);
  const fields = (one.custom_field_entries ?? []).map(({ custom_field, values }) => ({
    name: nameOf(custom_field) ?? "",
    values: values
      .map((each) => nameOf(each.value_catalog_entry) ?? each.value_option?.value ?? each.value_text ?? "")
      .filter(Boolean),
  }));
  const services = fields.filter(({ name }) => /service|component|system/i.test(name)).flatMap(({ values }) => values);
  const times = (one.incident_timestamp_values ?? []).map(({ incident_timestamp, value: at }) => ({
    name: nameOf(incident_timestamp) ?? "",
    at: at?.value ?? null,
  }));
  return {
    id: one.id,
    text: withFrontMatter(
      {
        id: `incident-io:${one.reference ?? one.id}`,
        title: one.name,
        kind: postMortem ? "post-mortem" : "incident",
        services,
        severity: nameOf(one.severity),
        status: nameOf(one.incident_status),
        started: times.find(({ name }) => /impact|started|reported/i.test(name))?.at ?? one.created_at,
        resolved: times.find(({ name }) => /resolved|fixed/i.test(name))?.at,
        link: one.permalink ?? one.postmortem_document_url,
      },
      [
        one.summary ?? "",
        postMortem ?? "",
        ...fields.filter(({ values }) => values.length > 0).map(({ name, values }) => `${name}: ${values.join(", ")}`),
      ].join("\n\n"),
    ),
  };
}

/** Text of a part that exports hold as text, as HTML, or as sections. */
function written(value: unknown): string | null {
  if (typeof value === "string") return /<(p|h\d|ul|div)\b/i.test(value) ? markdownOf(value) : value || null;
  if (Array.isArray(value)) return value.map(written).filter(Boolean).join("\n\n") || null;
  if (typeof value !== "object" || value === null) return null;
  const { title, name, ...rest } = value as Record<string, unknown>;
  const heading = typeof title === "string" ? title : typeof name === "string" ? name : null;
  const parts = Object.entries(rest).flatMap(([key, part]) => {
    const text = written(part);
    if (!text) return [];
    return /^(content|text|body|markdown|html|value|sections)$/i.test(key)
      ? [text]
      : [`### ${key.replaceAll("_", " ")}\n\n${text}`];
  });
  return parts.length === 0 ? null : [...(heading ? [`## ${heading}`] : []), ...parts].join("\n\n");
}
