import { z } from "zod";
import { type Delivery, headerOf, line, prose, type Reader, type ServicesOf, timestamp, webLink } from "../payload.ts";

const project = z.object({ path_with_namespace: z.string().min(1), name: z.string().optional(), web_url: z.string().optional() });
const user = z.object({ username: z.string().optional(), name: z.string().optional() });

/** https://docs.gitlab.com/user/project/integrations/webhook_events/#deployment-events */
const deployment = z.object({
  object_kind: z.literal("deployment"),
  status: z.string(),
  status_changed_at: timestamp,
  deployment_id: z.number(),
  deployable_url: z.string().nullish(),
  environment: z.string().min(1),
  environment_external_url: z.string().nullish(),
  project,
  short_sha: z.string().min(1),
  user,
  commit_url: z.string().nullish(),
  commit_title: z.string().nullish(),
  ref: z.string().nullish(),
});

const mergeRequest = z.object({
  object_kind: z.literal("merge_request"),
  user,
  project,
  object_attributes: z.object({
    iid: z.number(),
    action: z.string().optional(),
    title: z.string(),
    description: z.string().nullish(),
    url: z.string().nullish(),
    target_branch: z.string(),
    merge_commit_sha: z.string().nullish(),
    updated_at: timestamp.optional(),
    last_commit: z.object({ author: z.object({ name: z.string().optional() }).nullish() }).nullish(),
  }),
});

const featureFlag = z.object({
  object_kind: z.literal("feature_flag"),
  project,
  user,
  object_attributes: z.object({
    id: z.number(),
    name: z.string().min(1),
    description: z.string().nullish(),
    active: z.boolean(),
  }),
});

/** Deployments that succeeded, merged merge requests, and feature flags switched. Everything else is acknowledged and left. */
export function gitlabReader(servicesOf: ServicesOf): Reader {
  return (body, headers, now): Delivery => {
    const id = headerOf(headers, "idempotency-key") ?? headerOf(headers, "x-gitlab-event-uuid");
    const { object_kind: kind } = z.object({ object_kind: z.string() }).parse(body);
    if (kind === "deployment") return { id, ...deployed(deployment.parse(body), servicesOf) };
    if (kind === "merge_request") return { id, ...merged(mergeRequest.parse(body), servicesOf, now) };
    if (kind === "feature_flag") return { id, ...switched(featureFlag.parse(body), servicesOf, id, now) };
    return { id, ignored: `${line(kind, 60)} is not a change that reached users` };
  };
}

type Taken = Pick<Delivery, "changes" | "ignored">;

const nameOf = ({ username, name }: z.output<typeof user>): string => line(username ?? name ?? "unknown");

function deployed(event: z.output<typeof deployment>, servicesOf: ServicesOf): Taken {
  if (event.status !== "success") return { ignored: `a deployment that is ${line(event.status, 40)} changed nothing yet` };
  const path = event.project.path_with_namespace;
  const services = servicesOf(path);
  return {
    changes: [
      {
        id: `gitlab:${path}:deployment:${event.deployment_id}`,
        at: event.status_changed_at,
        kind: "deploy",
        subject: services[0] ?? line(event.project.name ?? path),
        services,
        environment: line(event.environment, 100),
        actor: nameOf(event.user),
        before: "",
        after: [line(event.ref, 100), `(${line(event.short_sha, 12)})`].filter(Boolean).join(" "),
        summary: line(event.commit_title, 300),
        reference: webLink(event.deployable_url) ?? webLink(event.commit_url) ?? line(event.short_sha, 40),
        source: "gitlab",
        context: prose(event.commit_title),
        // Deployments bear the short hash only, eight digits.
        about: `gitlab:${path}@${event.short_sha.slice(0, 8)}`,
      },
    ],
  };
}

function merged(
  { object_attributes: merge, project, user }: z.output<typeof mergeRequest>,
  servicesOf: ServicesOf,
  now: number,
): Taken {
  if (merge.action !== "merge") return { ignored: "only a merged merge request is a change" };
  const path = project.path_with_namespace;
  return {
    changes: [
      {
        id: `gitlab:${path}:merge:${merge.iid}`,
        at: merge.updated_at ?? now,
        kind: "other",
        subject: `${line(path, 120)}!${merge.iid}`,
        services: servicesOf(path),
        environment: "source",
        actor: line(merge.last_commit?.author?.name ?? nameOf(user)),
        before: `${line(merge.target_branch, 100)} without !${merge.iid}`,
        after: `merged into ${line(merge.target_branch, 100)} by ${nameOf(user)}`,
        summary: line(merge.title, 300),
        reference: webLink(merge.url) ?? "",
        source: "gitlab",
        context: prose(`${merge.title}\n\n${merge.description ?? ""}`),
        ...(merge.merge_commit_sha ? { about: `gitlab:${path}@${merge.merge_commit_sha.slice(0, 8)}` } : {}),
      },
    ],
  };
}

function switched(
  { object_attributes: flag, project, user }: z.output<typeof featureFlag>,
  servicesOf: ServicesOf,
  delivery: string | null,
  now: number,
): Taken {
  const path = project.path_with_namespace;
  return {
    changes: [
      {
        id: `gitlab:${path}:flag:${flag.id}:${delivery ?? now}`,
        at: now,
        kind: "flag",
        subject: line(flag.name),
        services: servicesOf(path),
        environment: "production",
        actor: nameOf(user),
        before: flag.active ? "off" : "on",
        after: flag.active ? "on" : "off",
        summary: line(flag.description, 300),
        reference: webLink(project.web_url) ?? path,
        source: "gitlab",
        context: prose(flag.description),
      },
    ],
  };
}
