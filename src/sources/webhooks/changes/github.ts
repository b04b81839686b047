import { z } from "zod";
import type { IncomingChange } from "../../../flows/changes.ts";
import {
  BadPayload,
  type Delivery,
  headerOf,
  line,
  prose,
  type Reader,
  type ServicesOf,
  timestamp,
  webLink,
} from "../payload.ts";

const repository = z.object({
  name: z.string().min(1),
  full_name: z.string().min(1),
  html_url: z.string().optional(),
  default_branch: z.string().optional(),
});
const user = z.object({ login: z.string().min(1) });

const deployment = z.object({
  id: z.number(),
  sha: z.string().min(7).max(64),
  ref: z.string(),
  environment: z.string().min(1),
  description: z.string().nullish(),
  creator: user.nullish(),
  created_at: timestamp,
});

/** https://docs.github.com/webhooks/webhook-events-and-payloads#deployment_status */
const deploymentStatus = z.object({
  deployment_status: z.object({
    id: z.number(),
    state: z.string().min(1),
    description: z.string().nullish(),
    created_at: timestamp,
    environment_url: z.string().nullish(),
    log_url: z.string().nullish(),
  }),
  deployment,
  repository,
});

const pullRequest = z.object({
  action: z.string(),
  pull_request: z.object({
    number: z.number(),
    title: z.string(),
    body: z.string().nullish(),
    html_url: z.string(),
    merged: z.boolean().nullish(),
    merged_at: timestamp.nullish(),
    merge_commit_sha: z.string().nullish(),
    merged_by: user.nullish(),
    user,
    base: z.object({ ref: z.string(), sha: z.string().optional() }),
    changed_files: z.number().optional(),
    additions: z.number().optional(),
    deletions: z.number().optional(),
    labels: z.array(z.object({ name: z.string() })).default([]),
  }),
  repository,
});

const releaseBody = z.object({
  action: z.string(),
  release: z.object({
    id: z.number(),
    tag_name: z.string(),
    name: z.string().nullish(),
    body: z.string().nullish(),
    html_url: z.string(),
    published_at: timestamp.nullish(),
    author: user,
  }),
  repository,
});

/**
 * Deployments that succeeded, merged pull requests (their text is kept for the deploy of their commit), and published releases.
 * Everything else that GitHub tells is acknowledged and left.
 */
export function githubReader(servicesOf: ServicesOf): Reader {
  return (body, headers): Delivery => {
    const event = headerOf(headers, "x-github-event");
    if (!event) throw new BadPayload("the X-GitHub-Event header is missing");
    const id = headerOf(headers, "x-github-delivery");
    if (event === "deployment_status") return { id, ...deployed(deploymentStatus.parse(body), servicesOf) };
    if (event === "pull_request") return { id, ...merged(pullRequest.parse(body), servicesOf) };
    if (event === "release") return { id, ...released(releaseBody.parse(body), servicesOf) };
    return { id, ignored: event === "ping" ? "pong" : `${line(event, 60)} is not a change that reached users` };
  };
}

type Taken = Pick<Delivery, "changes" | "ignored">;

function deployed(
  { deployment_status: status, deployment, repository }: z.output<typeof deploymentStatus>,
  servicesOf: ServicesOf,
): Taken {
  if (status.state !== "success") return { ignored: `a deployment that is ${line(status.state, 40)} changed nothing yet` };
  const services = servicesOf(repository.full_name);
  return {
    changes: [
      {
        id: `github:${repository.full_name}:deployment:${deployment.id}`,
        at: status.created_at,
        kind: "deploy",
        subject: services[0] ?? line(repository.name),
        services,
        environment: line(deployment.environment, 100),
        actor: line(deployment.creator?.login ?? "unknown"),
        before: "",
        after: `${line(deployment.ref, 100)} (${deployment.sha.slice(0, 7)})`,
        summary: line(deployment.description ?? status.description ?? "", 300),
        reference: webLink(status.environment_url) ?? webLink(status.log_url) ?? deployment.sha,
        source: "github",
        context: prose(deployment.description ?? ""),
        about: commitKey(repository.full_name, deployment.sha),
      },
    ],
  };
}

function merged({ action, pull_request: pull, repository }: z.output<typeof pullRequest>, servicesOf: ServicesOf): Taken {
  if (action !== "closed" || !pull.merged || !pull.merged_at) return { ignored: "only a merged pull request is a change" };
  const services = servicesOf(repository.full_name);
  const size =
    pull.changed_files === undefined
      ? ""
      : `${pull.changed_files} files changed, ${pull.additions ?? 0} lines added, ${pull.deletions ?? 0} removed.`;
  const change: IncomingChange = {
    id: `github:${repository.full_name}:pull:${pull.number}`,
    at: pull.merged_at,
    kind: "other",
    subject: `${line(repository.full_name, 120)}#${pull.number}`,
    services,
    environment: "source",
    actor: line(pull.user.login),
    before: `${line(pull.base.ref, 100)} without #${pull.number}`,
    after: `merged into ${line(pull.base.ref, 100)}${pull.merged_by ? ` by ${line(pull.merged_by.login)}` : ""}`,
    summary: line(pull.title, 300),
    reference: webLink(pull.html_url) ?? "",
    source: "github",
    context: prose(
      [pull.title, pull.body ?? "", size, pull.labels.map(({ name }) => name).join(", ")].filter(Boolean).join("\n\n"),
    ),
  };
  return {
    changes: [pull.merge_commit_sha ? { ...change, about: commitKey(repository.full_name, pull.merge_commit_sha) } : change],
  };
}

function released({ action, release, repository }: z.output<typeof releaseBody>, servicesOf: ServicesOf): Taken {
  if (action !== "published" || !release.published_at) return { ignored: "only a published release is a change" };
  const services = servicesOf(repository.full_name);
  return {
    changes: [
      {
        id: `github:${repository.full_name}:release:${release.id}`,
        at: release.published_at,
        kind: "other",
        subject: `${line(repository.full_name, 120)} ${line(release.tag_name, 60)}`,
        services,
        environment: "source",
        actor: line(release.author.login),
        before: "",
        after: `release ${line(release.tag_name, 60)}`,
        summary: line(release.name ?? release.tag_name, 300),
        reference: webLink(release.html_url) ?? "",
        source: "github",
        context: prose(release.body ?? ""),
      },
    ],
  };
}

const commitKey = (repository: string, sha: string): string => `github:${repository}@${sha}`;
