import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { SourceError } from "../../domain/telemetry.ts";
import { textFiles } from "../../knowledge/folder.ts";
import type { DocumentSource, SourceDocument } from "../../knowledge/source.ts";
import { type GitAccess, gitAt, gitSaid } from "../../targets/gitops/git.ts";

export interface GitDocumentsOptions {
  /** `https://…`, `ssh://…`, `git@host:path` or `file:///…`. */
  readonly url: string;
  readonly branch: string;
  /** Folder in the repository, or empty for all of it. */
  readonly under: string;
  /** Folder in which the clone is kept. */
  readonly clones: string;
  readonly access: GitAccess;
  readonly collection: string;
  readonly audience: string | null;
}

/** Markdown and text in a git repository, each with its last author, its date and a link to it. */
export function gitDocuments(options: GitDocumentsOptions): DocumentSource {
  const { url, branch, under, clones, access, collection, audience } = options;
  const folder = join(clones, createHash("sha256").update(`${url} ${branch}`).digest("hex").slice(0, 12));
  return {
    collection,
    audience,
    documents: async (onProblem) => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const git = gitAt(folder, "Vigil <vigil@localhost>", 0, access);
      try {
        if (!existsSync(join(folder, ".git"))) {
          await git.raw(["init", "-q"]);
          await git.raw(["remote", "add", "origin", url]);
        }
        await git.raw(["fetch", "-q", "--no-tags", "origin", `+refs/heads/${branch}:refs/remotes/origin/${branch}`]);
        await git.raw(["checkout", "-q", "-f", "-B", "vigil", `refs/remotes/origin/${branch}`]);
        await git.raw(["clean", "-q", "-fdx"]);
      } catch (error) {
        throw new SourceError(
          `The repository ${shown(url)} cannot be fetched: ${gitSaid(error)}; check its entry under knowledge.sources.`,
          {
            cause: error,
          },
        );
      }
      const history = await lastCommits(git.raw.bind(git));
      const files = await textFiles(join(folder, under), onProblem);
      return files.map(({ file, read }): SourceDocument => {
        const path = under ? `${under.replace(/\/$/, "")}/${file}` : file;
        const last = history.get(path);
        const link = webLinkOf(url, branch, path);
        return {
          file,
          version: null,
          metadata: {
            source: `git ${shown(url)}`,
            ...(last ? { author: last.author, updated: last.at } : {}),
            ...(link ? { link } : {}),
          },
          read,
        };
      });
    },
  };
}

/** Author and time of the last commit of each file, by one walk through the history. */
async function lastCommits(
  raw: (args: string[]) => Promise<string>,
): Promise<ReadonlyMap<string, { author: string; at: string }>> {
  const log = await raw(["-c", "core.quotePath=false", "log", "-n", "5000", "--format=%x1e%an%x1f%aI", "--name-only"]);
  const found = new Map<string, { author: string; at: string }>();
  for (const entry of log.split("\u001e").filter(Boolean)) {
    const [head = "", ...files] = entry.split("\n").filter(Boolean);
    const [author = "", at = ""] = head.split("\u001f");
    for (const file of files) if (!found.has(file)) found.set(file, { author, at });
  }
  return found;
}

const shown = (url: string): string => url.replace(/\/\/[^@/\s]+@/, "//");

/** Where a person reads the file, for hosts whose addresses are known. */
function webLinkOf(url: string, branch: string, path: string): string | null {
  const [, host, repository] =
    /^(?:https:\/\/|ssh:\/\/|git@)(?:[^@/]+@)?(github\.com|gitlab\.com)[/:](.+?)(?:\.git)?$/.exec(url) ?? [];
  if (!host) return null;
  return `https://${host}/${repository}/${host === "gitlab.com" ? "-/" : ""}blob/${branch}/${encodeURI(path)}`;
}
