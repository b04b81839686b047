import { join, resolve } from "node:path";
import type { DeployTarget, FlagProvider, WorkloadTarget } from "../actions/ports.ts";
import type { Config } from "../config.ts";
import type { Probe } from "../domain/probe.ts";
import { type Clock, SECOND } from "../domain/time.ts";
import { ArgoCd } from "../targets/argocd/index.ts";
import { FlagdFile } from "../targets/flagd/index.ts";
import { GitopsRepository } from "../targets/gitops/index.ts";
import { GithubPullRequests } from "../targets/gitops/pull-request.ts";
import { GitopsRemote } from "../targets/gitops/remote.ts";
import { Cluster } from "../targets/kubernetes/cluster.ts";
import { KubernetesDeploys } from "../targets/kubernetes/deploys.ts";
import { KubernetesWorkloads } from "../targets/kubernetes/workloads.ts";
import { LaunchDarkly } from "../targets/launchdarkly/index.ts";
import { Unleash } from "../targets/unleash/index.ts";
import { WorkloadFile } from "../targets/workload-file/index.ts";

/** Where the demo shop keeps its flags, versions and copies. */
export interface DemoPlaces {
  readonly flagFile: string;
  readonly repository: string;
  readonly workloadFile: string;
  readonly environment: string;
}

/** Everything that Vigil may act on, as it is configured; null where nothing is. */
export interface Targets {
  readonly flags: (FlagProvider & Probe) | null;
  readonly deploys: (DeployTarget & Probe) | null;
  readonly workloads: (WorkloadTarget & Probe) | null;
}

/**
 * Opens what is configured; calls nobody. The demo's own places stand in for what is not configured while the demo is on.
 *
 * @param clock of telemetry, so that a change lines up with what it caused
 */
export function openTargets(config: Config, clock: Clock, demo: DemoPlaces | null): Targets {
  const now = () => clock.now();
  const flags = flagsOf(config, now);
  const deploys = deploysOf(config, now);
  return {
    flags: flags ?? (demo && new FlagdFile({ file: demo.flagFile, environment: demo.environment, now })),
    deploys: deploys ?? (demo && new GitopsRepository({ folder: demo.repository, environment: demo.environment, now })),
    workloads: config.kubernetes.namespace
      ? new KubernetesWorkloads(clusterOf(config), { environment: config.kubernetes.environment })
      : demo && new WorkloadFile({ file: demo.workloadFile, environment: demo.environment, now }),
  };
}

function flagsOf({ flags }: Config, now: () => number): (FlagProvider & Probe) | null {
  const { kind, file, url, token = "", project, environment } = flags;
  switch (kind ?? (file && "flagd")) {
    case "flagd":
      return new FlagdFile({ file: resolve(file ?? ""), environment, now });
    case "unleash":
      return new Unleash({ url: url ?? "", token, project, environment });
    case "launchdarkly":
      return new LaunchDarkly({ url: url ?? "https://app.launchdarkly.com", token, project, environment });
    default:
      return null;
  }
}

function deploysOf(config: Config, now: () => number): (DeployTarget & Probe) | null {
  const { kind, repository = "", environment, readySeconds, url = "", token = "", project } = config.deploys;
  const readyWithin = readySeconds * SECOND;
  switch (kind ?? (repository && "gitops")) {
    case "gitops":
      return gitopsOf(config, now);
    case "kubernetes":
      return new KubernetesDeploys(clusterOf(config), { environment, readyWithin });
    case "argocd":
      return new ArgoCd({ url, token, project, environment, readyWithin });
    default:
      return null;
  }
}

/** A folder is worked in as it is; an address is cloned. */
function gitopsOf({ deploys, dataDir }: Config, now: () => number): DeployTarget & Probe {
  const { repository = "", environment, file, key, author, branch, username, token, pullRequest } = deploys;
  const common = { environment, now, layout: { file, key }, author };
  if (!ADDRESS.test(repository)) return new GitopsRepository({ folder: resolve(repository), ...common });
  return new GitopsRemote({
    url: repository,
    branch,
    folder: join(resolve(dataDir), "gitops"),
    access: { username, token, timeout: 20 * SECOND },
    pullRequests: pullRequest
      ? new GithubPullRequests({
          url: pullRequest.apiUrl,
          token: pullRequest.token ?? token ?? "",
          repository: pullRequest.repository,
        })
      : null,
    ...common,
  });
}

/** `https://…`, `ssh://…`, `file://…` or `git@host:path`. */
const ADDRESS = /^(https?|ssh|file):\/\/|^[\w.-]+@[\w.-]+:/;

/** The cluster's access, read at the first use and again after a failure: a file that is mended needs no restart. */
export function clusterOf({ kubernetes }: Config): () => Promise<Cluster> {
  const { namespace = "default", kubeconfig, context } = kubernetes;
  let cluster: Promise<Cluster> | null = null;
  return () => {
    cluster ??= Cluster.open({ namespace, kubeconfig: kubeconfig && resolve(kubeconfig), context }).catch((error) => {
      cluster = null;
      throw error;
    });
    return cluster;
  };
}
