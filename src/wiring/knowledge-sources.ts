import { join, resolve } from "node:path";
import type { Config } from "../config.ts";
import type { Probe } from "../domain/probe.ts";
import { SECOND } from "../domain/time.ts";
import { textFiles } from "../knowledge/folder.ts";
import type { DocumentSource } from "../knowledge/index.ts";
import { confluenceExport } from "../sources/knowledge/confluence.ts";
import { gitDocuments } from "../sources/knowledge/git.ts";
import { githubIssues } from "../sources/knowledge/github-issues.ts";
import { incidentExport } from "../sources/knowledge/incident-export.ts";
import { notionExport } from "../sources/knowledge/notion.ts";

type Given = Config["knowledge"]["sources"][number];

/** Everything that Vigil learns from, as it is configured: plain folders under their path, sources under their name. */
export function knowledgeSources(config: Config, servicesOf: (name: string) => readonly string[]): DocumentSource[] {
  const { folders, sources } = config.knowledge;
  return [
    ...folders.map((folder) => folderOf(resolve(folder), folder, null)),
    ...sources.map((given) => sourceOf(given, config, servicesOf)),
  ];
}

/** A source is tried by listing what it has. */
export const probeOf = (source: DocumentSource): Probe => ({
  concern: "knowledge",
  check: async () => {
    const problems: string[] = [];
    const found = await source.documents((problem) => problems.push(problem));
    const left = problems.length > 0 ? `, ${problems.length} left out (${problems[0]?.slice(0, 120)})` : "";
    return `${source.collection}: ${found.length} documents${source.audience ? `, only for ${source.audience}` : ""}${left}`;
  },
});

function sourceOf(given: Given, { dataDir, webhooks }: Config, servicesOf: (name: string) => readonly string[]): DocumentSource {
  const common = { collection: given.name, audience: given.audience ?? null };
  switch (given.kind) {
    case "folder":
      return folderOf(resolve(given.path), common.collection, common.audience);
    case "git": {
      const { url, branch, under, username, token } = given;
      const access = { username, token, timeout: 30 * SECOND };
      return gitDocuments({ url, branch, under, access, clones: join(resolve(dataDir), "knowledge"), ...common });
    }
    case "confluence":
      return confluenceExport({ path: resolve(given.path), ...common });
    case "notion":
      return notionExport({ path: resolve(given.path), ...common });
    case "pagerduty":
    case "incident-io":
      return incidentExport({ system: given.kind, path: resolve(given.path), ...common });
    case "github-issues": {
      const { repository, label, token = "", apiUrl } = given;
      const known = (name: string) => webhooks.services[name] ?? servicesOf(name);
      return githubIssues({ url: apiUrl, token, repository, label, servicesOf: known, ...common });
    }
  }
}

function folderOf(folder: string, collection: string, audience: string | null): DocumentSource {
  return {
    collection,
    audience,
    documents: async (onProblem) =>
      (await textFiles(folder, onProblem)).map((file) => ({
        ...file,
        version: null,
        metadata: {},
      })),
  };
}
