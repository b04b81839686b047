import type { Config } from "../config.ts";
import { type Clock, SECOND } from "../domain/time.ts";
import type { ChangeRecorder } from "../flows/changes.ts";
import type { Log } from "../flows/log.ts";
import { watchArgoCd } from "../sources/argocd/index.ts";
import type { ChangeWatcher, Cursor } from "../sources/change-watcher.ts";
import { watchFlagFile } from "../sources/flagd/index.ts";
import { watchGithub } from "../sources/github/index.ts";
import { watchGitlab } from "../sources/gitlab/index.ts";
import { watchRepository } from "../sources/gitops/index.ts";
import { watchRollouts } from "../sources/kubernetes/index.ts";
import { watchUnleash } from "../sources/unleash/index.ts";
import type { ServicesOf } from "../sources/webhooks/payload.ts";
import type { Stores } from "../stores.ts";
import { FlagdFile } from "../targets/flagd/index.ts";
import { GitopsRepository } from "../targets/gitops/index.ts";
import { GitopsRemote } from "../targets/gitops/remote.ts";
import { clusterOf, type Targets } from "./outbound.ts";

export interface WatcherDependencies {
  readonly targets: Targets;
  readonly stores: Stores;
  /** Of telemetry. */
  readonly clock: Clock;
  readonly recorder: ChangeRecorder;
  readonly servicesOf: ServicesOf;
  readonly log: Log;
}

/** Watchers of every configured place in which something changes and that does not tell of it by itself. */
export function changeWatchers(config: Config, deps: WatcherDependencies): ChangeWatcher[] {
  const { targets, stores, clock, recorder, servicesOf, log } = deps;
  const { telemetry, investigations } = stores;
  const { flags, deploys, kubernetes, webhooks } = config;
  // Changes go to the telemetry of this replica, so how far it has read is its own.
  const own = stores.replica === null ? "cursor" : `cursor@${stores.replica}`;
  const cursor = <T>(name: string): Cursor<T> => ({
    load: () => investigations.recall<T>(`${own}/${name}`),
    save: (value) => investigations.remember(`${own}/${name}`, value),
  });
  const onError = (error: unknown) => log.warn({ err: error }, "changes could not be read; the next look tries again");
  /** Places on this machine, whose times are telemetry's. */
  const near = {
    now: () => clock.now(),
    every: Math.max(300, (5 * SECOND) / clock.speed),
    sink: async (changes: Parameters<typeof telemetry.appendChanges>[0]) => {
      telemetry.appendChanges(changes);
      recorder.index(changes);
    },
    onError,
  };
  /** Systems elsewhere, whose times are the wall clock's. */
  const far = {
    now: () => Date.now(),
    every: config.changes.pollSeconds * SECOND,
    sink: (changes: Parameters<typeof recorder.take>[0]) => recorder.take(changes),
    onError,
    servicesOf,
  };
  const { token = "", url = "", project, environment } = flags;
  const watchers: ChangeWatcher[] = [];
  if (targets.flags instanceof FlagdFile) {
    const { file, environment: at } = targets.flags;
    watchers.push(watchFlagFile({ ...near, file, environment: at, cursor: cursor("flags") }));
  }
  if (flags.kind === "unleash")
    watchers.push(watchUnleash({ ...far, url, token, project, environment, cursor: cursor("unleash") }));

  if (targets.deploys instanceof GitopsRepository) {
    const { folder, layout, environment: at } = targets.deploys;
    watchers.push(watchRepository({ ...near, folder, layout, environment: at, cursor: cursor("deploys") }));
  }
  const remote = targets.deploys;
  if (remote instanceof GitopsRemote) {
    const { folder, layout, environment: at } = remote;
    const refresh = () => remote.refresh();
    watchers.push(
      watchRepository({ ...near, every: far.every, folder, layout, environment: at, refresh, cursor: cursor("deploys-remote") }),
    );
  }
  // Argo CD and the repository behind it would tell the same twice: by webhook and by look, or as rollouts once more.
  if (deploys.kind === "argocd" && !webhooks.argocd.token) {
    const place = {
      url: deploys.url ?? "",
      token: deploys.token ?? "",
      project: deploys.project,
      environment: deploys.environment,
    };
    watchers.push(watchArgoCd({ ...far, ...place, cursor: cursor("argocd") }));
  }
  const told = deploys.kind === "argocd" || deploys.kind === "gitops" || deploys.repository !== undefined;
  if (kubernetes.namespace && !told) {
    const place = { cluster: clusterOf(config), environment: kubernetes.environment };
    watchers.push(watchRollouts({ ...far, ...place, cursor: cursor("rollouts") }));
  }
  const { github, gitlab } = config.changes;
  for (const repository of github.repositories) {
    const place = { url: github.apiUrl, token: github.token ?? "", repository };
    watchers.push(watchGithub({ ...far, ...place, cursor: cursor(`github/${repository}`) }));
  }
  for (const path of gitlab.projects) {
    const place = { url: gitlab.url, token: gitlab.token ?? "", project: path };
    watchers.push(watchGitlab({ ...far, ...place, cursor: cursor(`gitlab/${path}`) }));
  }
  return watchers;
}
