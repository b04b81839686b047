import { z } from "zod";
import type { Milliseconds } from "../../domain/time.ts";
import type { DocumentSource, SourceDocument } from "../../knowledge/source.ts";
import { shaped } from "../../targets/answer-shape.ts";
import { githubApi } from "../../targets/github-api.ts";
import type { JsonApi } from "../../targets/json-api.ts";
import { GITHUB_KEYS } from "../github/index.ts";
import { withFrontMatter } from "./front-matter.ts";

export interface GithubIssuesOptions {
  readonly url: string;
  readonly token: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly label: string;
  readonly collection: string;
  readonly audience: string | null;
  readonly servicesOf: (name: string) => readonly string[];
  readonly timeout?: Milliseconds;
}

const SYSTEM = { name: "GitHub", key: "knowledge.sources" };
const person = z.object({ login: z.string() }).nullish();
const issues = z.array(
  z.looseObject({
    number: z.number(),
    title: z.string(),
    body: z.string().nullish(),
    html_url: z.string(),
    state: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
    closed_at: z.string().nullish(),
    comments: z.number().default(0),
    user: person,
    labels: z.array(z.union([z.string(), z.looseObject({ name: z.string().nullish() })])).default([]),
    pull_request: z.unknown().optional(),
  }),
);
const comments = z.array(z.looseObject({ body: z.string().nullish(), created_at: z.string(), user: person }));

type Issue = z.output<typeof issues>[number];

const PAGE = 100;
const MOST_PAGES = 50;

/** Issues with a label, open and closed, with their comments. One that was not touched since is not read again. */
export function githubIssues(options: GithubIssuesOptions): DocumentSource {
  const { repository, label, collection, audience, servicesOf } = options;
  const api = githubApi(options, GITHUB_KEYS);
  const path = ["repos", ...repository.split("/"), "issues"];
  return {
    collection,
    audience,
    documents: async () => {
      const found: Issue[] = [];
      for (let page = 1; page <= MOST_PAGES; page++) {
        const query = {
          labels: label,
          state: "all",
          per_page: String(PAGE),
          page: String(page),
          sort: "created",
          direction: "asc",
        };
        const answer = shaped(SYSTEM, issues, await api.get(path, { query }));
        found.push(...answer.filter(({ pull_request }) => pull_request === undefined));
        if (answer.length < PAGE) break;
      }
      return found.map(
        (issue): SourceDocument => ({
          file: String(issue.number),
          version: issue.updated_at,
          metadata: { source: `GitHub issues of ${repository}`, link: issue.html_url },
          read: async () => issueText(issue, await said(api, path, issue), repository, servicesOf(repository)),
        }),
      );
    },
  };
}

async function said(api: JsonApi, path: readonly string[], { number, comments: count }: Issue) {
  if (count === 0) return [];
  const answer = await api.get([...path, String(number), "comments"], { query: { per_page: String(PAGE) } });
  return shaped(SYSTEM, comments, answer);
}

function issueText(issue: Issue, discussion: z.output<typeof comments>, repository: string, known: readonly string[]): string {
  const labels = issue.labels.map((one) => (typeof one === "string" ? one : (one.name ?? "")));
  const named = labels.flatMap((one) => /^(?:service|component|area)[:/]\s*(.+)$/i.exec(one)?.[1] ?? []);
  const severity = labels.find((one) => /^(sev(erity)?[-: ]?\d|p\d)$/i.test(one));
  const talk = discussion.map(({ user, created_at, body }) => `**${user?.login ?? "somebody"}**, ${created_at}: ${body ?? ""}`);
  return withFrontMatter(
    {
      id: `github:${repository}#${issue.number}`,
      title: issue.title,
      kind: "incident",
      services: [...new Set([...known, ...named])],
      started: issue.created_at,
      resolved: issue.closed_at,
      severity,
      author: issue.user?.login,
    },
    [issue.body ?? "", ...(talk.length > 0 ? ["## Discussion", ...talk] : [])].join("\n\n"),
  );
}
