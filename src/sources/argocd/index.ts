import { DAY } from "../../domain/time.ts";
import type { IncomingChange } from "../../flows/changes.ts";
import { type Application, type Deployment, historyOf, revisionOf, serviceOf } from "../../targets/argocd/application.ts";
import { type ArgoCdOptions, applications, argoCdApi } from "../../targets/argocd/index.ts";
import { type ChangeWatcher, pollingWatcher, type Watching } from "../change-watcher.ts";
import { line, prose, webLink } from "../webhooks/payload.ts";

/** The id of the last deployment that was handed on, by application. */
export type HistoryCursor = Readonly<Record<string, number>>;

/** Reads what Argo CD deployed out of its applications' histories. The first look takes the last day. */
export function watchArgoCd(
  options: Watching<HistoryCursor, IncomingChange> & Pick<ArgoCdOptions, "url" | "token" | "project" | "environment" | "timeout">,
): ChangeWatcher {
  const api = argoCdApi(options);
  return pollingWatcher({
    ...options,
    look: async (seen) => {
      const all = await applications(api, options.project);
      const changes = all.flatMap((application) => {
        const last = seen?.[keyOf(application)] ?? -1;
        const first = seen === null ? options.now() - DAY : Number.NEGATIVE_INFINITY;
        const history = historyOf(application);
        return history.flatMap((deployment, index) => {
          const at = Date.parse(deployment.deployedAt ?? "");
          if (deployment.id <= last || !(at >= first)) return [];
          return [changeOf(application, deployment, history[index - 1], at, options.environment)];
        });
      });
      const cursor = Object.fromEntries(all.map((one) => [keyOf(one), historyOf(one).at(-1)?.id ?? -1]));
      return JSON.stringify(cursor) === JSON.stringify(seen) ? null : { changes, cursor };
    },
  });
}

const keyOf = ({ metadata }: Application): string => `${metadata.namespace ?? ""}/${metadata.name}`;

function changeOf(
  application: Application,
  deployment: Deployment,
  before: Deployment | undefined,
  at: number,
  environment: string,
): IncomingChange {
  const { spec, status } = application;
  const service = line(serviceOf(application));
  const by = deployment.initiatedBy;
  const images = (status.summary?.images ?? []).slice(0, 20).map((image) => line(image, 200));
  return {
    id: `argocd:${keyOf(application)}:${deployment.id}:${at}`,
    at,
    kind: "deploy",
    subject: service,
    services: [service],
    environment,
    actor: line(by?.username) || (by?.automated ? "argocd (automated sync)" : "argocd"),
    before: before ? line(revisionOf(before), 60) : "",
    after: line(revisionOf(deployment), 60),
    summary: line(images.length > 0 ? `Images: ${images.join(", ")}` : "", 300),
    reference: webLink(status.summary?.externalURLs?.[0]) ?? webLink(spec.source?.repoURL) ?? line(deployment.revision, 60),
    source: "argocd",
    context: prose(images.join("\n")),
  };
}
