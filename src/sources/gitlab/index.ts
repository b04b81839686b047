import { z } from "zod";
import { DAY, type EpochMs, type Milliseconds } from "../../domain/time.ts";
import type { IncomingChange } from "../../flows/changes.ts";
import { shaped } from "../../targets/answer-shape.ts";
import { JsonApi } from "../../targets/json-api.ts";
import { type ChangeWatcher, pollingWatcher, type Watching } from "../change-watcher.ts";
import { gitlabReader } from "../webhooks/changes/gitlab.ts";
import type { ServicesOf } from "../webhooks/payload.ts";

export interface GitlabChangesOptions {
  /** `https://gitlab.com`, or the address of an instance. */
  readonly url: string;
  /** With the scope `read_api`. */
  readonly token: string;
  /** `group/project`. */
  readonly project: string;
  readonly servicesOf: ServicesOf;
  readonly timeout?: Milliseconds;
}

/** When the newest deployment that was handed on was last changed. */
export type UpdatedCursor = EpochMs;

const SYSTEM = { name: "GitLab", key: "changes.gitlab.url" };
const person = z.looseObject({ username: z.string().nullish(), name: z.string().nullish() });
const deployments = z.array(
  z.looseObject({
    id: z.number(),
    ref: z.string(),
    sha: z.string(),
    status: z.string(),
    updated_at: z.string(),
    user: person.nullish(),
    environment: z.looseObject({ name: z.string() }),
    deployable: z
      .looseObject({ web_url: z.string().nullish(), commit: z.looseObject({ title: z.string().nullish() }).nullish() })
      .nullish(),
  }),
);
const merges = z.array(
  z.looseObject({
    iid: z.number(),
    title: z.string(),
    description: z.string().nullish(),
    web_url: z.string().nullish(),
    target_branch: z.string(),
    merge_commit_sha: z.string().nullish(),
    merged_at: z.string().nullish(),
    merged_by: person.nullish(),
    author: person.nullish(),
  }),
);

/**
 * Asks GitLab's deployments API (https://docs.gitlab.com/api/deployments/) for what succeeded, with the merge requests that it brought.
 * A deployment that also came by webhook counts once, by its id.
 */
export function watchGitlab(options: Watching<UpdatedCursor, IncomingChange> & GitlabChangesOptions): ChangeWatcher {
  const api = new JsonApi({
    name: SYSTEM.name,
    url: options.url,
    headers: { "private-token": options.token },
    keys: { url: SYSTEM.key, token: "changes.gitlab.token" },
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
  });
  const path = ["api", "v4", "projects", options.project, "deployments"];
  const read = gitlabReader(options.servicesOf);
  const project = { path_with_namespace: options.project, name: options.project.split("/").at(-1) };
  const changesOf = (body: object) => read({ ...body, project }, {}, options.now()).changes ?? [];

  return pollingWatcher({
    ...options,
    look: async (seen) => {
      const since = seen ?? options.now() - DAY;
      const query = {
        status: "success",
        order_by: "updated_at",
        sort: "asc",
        updated_after: new Date(since + 1).toISOString(),
        per_page: "100",
      };
      const found = shaped(SYSTEM, deployments, await api.get(path, { query }));
      if (found.length === 0) return seen === null ? { changes: [], cursor: since } : null;
      const changes: IncomingChange[] = [];
      for (const { id, ref, sha, status, updated_at, user, environment, deployable } of found) {
        const brought = shaped(SYSTEM, merges, await api.get([...path, String(id), "merge_requests"]));
        for (const merge of brought) {
          const { merged_at, merged_by, author, web_url, ...told } = merge;
          changes.push(
            ...changesOf({
              object_kind: "merge_request",
              user: named(merged_by),
              object_attributes: {
                ...told,
                action: "merge",
                url: web_url,
                ...(merged_at ? { updated_at: merged_at } : {}),
                last_commit: { author: { name: author?.name ?? author?.username ?? undefined } },
              },
            }),
          );
        }
        changes.push(
          ...changesOf({
            object_kind: "deployment",
            status,
            status_changed_at: updated_at,
            deployment_id: id,
            deployable_url: deployable?.web_url,
            environment: environment.name,
            short_sha: sha.slice(0, 8),
            user: named(user),
            commit_title: deployable?.commit?.title,
            ref,
          }),
        );
      }
      return { changes, cursor: Math.max(since, ...found.map(({ updated_at }) => Date.parse(updated_at))) };
    },
  });
}

const named = (user: z.output<typeof person> | null | undefined) => ({
  username: user?.username ?? undefined,
  name: user?.name ?? undefined,
});
