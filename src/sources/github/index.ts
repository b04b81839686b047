import { z } from "zod";
import { DAY, type Milliseconds } from "../../domain/time.ts";
import type { IncomingChange } from "../../flows/changes.ts";
import { shaped } from "../../targets/answer-shape.ts";
import { githubApi } from "../../targets/github-api.ts";
import { type ChangeWatcher, pollingWatcher, type Watching } from "../change-watcher.ts";
import { githubReader } from "../webhooks/changes/github.ts";
import type { ServicesOf } from "../webhooks/payload.ts";

export interface GithubChangesOptions {
  /** `https://api.github.com`, or `https://HOST/api/v3`. */
  readonly url: string;
  /** May read deployments, contents and pull requests. */
  readonly token: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly servicesOf: ServicesOf;
  readonly timeout?: Milliseconds;
}

/** Deployments that need no further look; the newest last. */
export type DeploymentCursor = readonly number[];

const SYSTEM = { name: "GitHub", key: "changes.github.apiUrl" };
/** Configuration keys of what is read there. */
export const GITHUB_KEYS = { url: SYSTEM.key, token: "changes.github.token" };
const deployments = z.array(z.looseObject({ id: z.number(), sha: z.string(), created_at: z.string() }));
const statuses = z.array(z.looseObject({ state: z.string() }));
const pulls = z.array(z.looseObject({ merged_at: z.string().nullish() }));

const PAGE = 50;
/** Looked back over after an outage. */
const MOST_PAGES = 6;
const REMEMBERED = 300;
/** A deployment that did not end within this time is not waited for any longer. */
const PATIENCE = DAY;
const FINAL = new Set(["success", "failure", "error", "inactive"]);

/**
 * Asks GitHub's deployments API (https://docs.github.com/rest/deployments/deployments) for what succeeded, with the pull request of its commit.
 * A deployment that also came by webhook counts once, by its id.
 */
export function watchGithub(options: Watching<DeploymentCursor, IncomingChange> & GithubChangesOptions): ChangeWatcher {
  const api = githubApi(options, GITHUB_KEYS);
  const path = ["repos", ...options.repository.split("/")];
  const read = githubReader(options.servicesOf);
  const repository = { name: options.repository.split("/").at(-1) ?? options.repository, full_name: options.repository };
  const changesOf = (event: string, body: object) =>
    read({ ...body, repository }, { "x-github-event": event }, options.now()).changes ?? [];

  return pollingWatcher({
    ...options,
    look: async (seen) => {
      const isOld = ({ created_at }: { readonly created_at: string }) => Date.parse(created_at) < options.now() - PATIENCE;
      const found: z.output<typeof deployments> = [];
      for (let page = 1; page <= MOST_PAGES; page++) {
        const query = { per_page: String(PAGE), page: String(page) };
        const part = shaped(SYSTEM, deployments, await api.get([...path, "deployments"], { query }));
        found.push(...part);
        // Newest first: behind one that is old there are only older ones.
        if (part.length < PAGE || part.some(isOld)) break;
      }
      const changes: IncomingChange[] = [];
      const done: number[] = [];
      for (const deployment of found.reverse()) {
        if (seen?.includes(deployment.id)) continue;
        const old = isOld(deployment);
        if (seen === null && old) {
          done.push(deployment.id);
          continue;
        }
        const told = await api.get([...path, "deployments", String(deployment.id), "statuses"], { query: { per_page: "30" } });
        const history = shaped(SYSTEM, statuses, told);
        const success = history.find(({ state }) => state === "success");
        if (success) {
          const merged = shaped(SYSTEM, pulls, await api.get([...path, "commits", deployment.sha, "pulls"]));
          for (const pull of merged.filter(({ merged_at }) => merged_at)) {
            changes.push(...changesOf("pull_request", { action: "closed", pull_request: { ...pull, merged: true } }));
          }
          changes.push(...changesOf("deployment_status", { deployment_status: success, deployment }));
        }
        if (success || old || FINAL.has(history[0]?.state ?? "")) done.push(deployment.id);
      }
      return done.length === 0 ? null : { changes, cursor: [...(seen ?? []), ...done].slice(-REMEMBERED) };
    },
  });
}
