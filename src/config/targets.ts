import { z } from "zod";
import { filled, webAddress } from "./values.ts";

const seconds = z.coerce.number().positive().max(3_600);

/** Keys that a kind needs; the message names the missing one and the kind that asks for it. */
function needs(required: Readonly<Record<string, readonly string[]>>) {
  return (given: { readonly kind?: string | undefined }, context: z.RefinementCtx): void => {
    for (const key of required[given.kind ?? ""] ?? []) {
      if ((given as Record<string, unknown>)[key] === undefined) {
        context.addIssue({ code: "custom", path: [key], message: `is needed when kind is ${given.kind}` });
      }
    }
  };
}

/** Feature flags that Vigil may read and, once approved, change. */
export const flagsSchema = z
  .strictObject({
    kind: z.enum(["flagd", "unleash", "launchdarkly"]).optional().describe("flagd when only a file is given"),
    file: filled.optional().describe("flagd: JSON file in flagd's format"),
    url: webAddress.optional().describe("unleash: address without /api; launchdarkly: https://app.launchdarkly.com unless told"),
    token: filled.optional().describe("unleash: token of a service account; launchdarkly: API access token, not an SDK key"),
    project: filled.default("default"),
    environment: filled.default("production"),
  })
  .superRefine(needs({ flagd: ["file"], unleash: ["url", "token"], launchdarkly: ["token"] }))
  .prefault({});

/** Deployed versions that Vigil may read and, once approved, take back. */
export const deploysSchema = z
  .strictObject({
    kind: z.enum(["gitops", "kubernetes", "argocd"]).optional().describe("gitops when only a repository is given"),
    environment: filled.default("production"),
    repository: filled
      .optional()
      .describe(
        "gitops: folder of a work tree, or the address of a repository (https, ssh or file), which is cloned into dataDir",
      ),
    branch: filled.default("main").describe("gitops: branch that is deployed; for a repository that is cloned"),
    file: z
      .string()
      .includes("{service}")
      .default("environments/{environment}/{service}.yaml")
      .describe("gitops: where the file of a service lies"),
    key: filled.default("version").describe("gitops: where in that file its version is, with dots: image.tag"),
    author: z
      .string()
      .regex(/^[^<>\n]+ <[^<>\s]+@[^<>\s]+>$/, 'must be like "Vigil <vigil@example.org>"')
      .default("Vigil <vigil@localhost>")
      .describe("gitops: who commits"),
    username: filled.default("x-access-token").describe("gitops over https: user name beside the token"),
    token: filled.optional().describe("gitops over https: token that may push; argocd: token of an account"),
    pullRequest: z
      .strictObject({
        repository: z
          .string()
          .regex(/^[\w.-]+\/[\w.-]+$/, "must be owner/name")
          .describe("owner/name on GitHub"),
        token: filled.optional().describe("may open and merge pull requests; deploys.token when left out"),
        apiUrl: webAddress.default("https://api.github.com"),
      })
      .optional()
      .describe("gitops: go through a pull request on GitHub, which Vigil merges where it may"),
    url: webAddress.optional().describe("argocd: address of its server"),
    project: filled.optional().describe("argocd: only applications of this project"),
    readySeconds: seconds.default(60).describe("kubernetes, argocd: how long a rollout may take until it is told as unsure"),
  })
  .superRefine(needs({ gitops: ["repository"], argocd: ["url", "token"] }))
  .prefault({});

/** A namespace whose workloads Vigil may see, and, once approved, restart and scale. */
export const kubernetesSchema = z
  .strictObject({
    namespace: filled.optional().describe("turns Kubernetes on; the one in which the services run"),
    kubeconfig: filled.optional().describe("file; without it the service account of the pod that Vigil runs in"),
    context: filled.optional().describe("of that file, when not its current one"),
    environment: filled.default("production"),
  })
  .prefault({});

/** Systems that are asked for changes; those that send webhooks need none of this. */
export const changesSchema = z
  .strictObject({
    pollSeconds: z.coerce.number().min(5).max(3_600).default(30).describe("between looks at systems that are asked for changes"),
    github: z
      .strictObject({
        repositories: z
          .array(z.string().regex(/^[\w.-]+\/[\w.-]+$/, "must be owner/name"))
          .max(50)
          .default([])
          .describe("owner/name of repositories whose deployments are read"),
        token: filled.optional().describe("may read deployments, contents and pull requests"),
        apiUrl: webAddress.default("https://api.github.com"),
      })
      .superRefine(({ repositories, token }, context) => {
        if (repositories.length > 0 && !token) {
          context.addIssue({ code: "custom", path: ["token"], message: "is needed to read deployments" });
        }
      })
      .prefault({}),
    gitlab: z
      .strictObject({
        projects: z.array(z.string().includes("/")).max(50).default([]).describe("group/project whose deployments are read"),
        token: filled.optional().describe("with the scope read_api"),
        url: webAddress.default("https://gitlab.com"),
      })
      .superRefine(({ projects, token }, context) => {
        if (projects.length > 0 && !token) {
          context.addIssue({ code: "custom", path: ["token"], message: "is needed to read deployments" });
        }
      })
      .prefault({}),
  })
  .prefault({});
