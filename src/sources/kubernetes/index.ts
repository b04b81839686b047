import { DAY } from "../../domain/time.ts";
import type { IncomingChange } from "../../flows/changes.ts";
import { fingerprintOf } from "../../targets/flag-writer.ts";
import type { Cluster } from "../../targets/kubernetes/cluster.ts";
import type { Autoscaler, Workload } from "../../targets/kubernetes/objects.ts";
import {
  behaviourOf,
  CHANGE_CAUSE,
  createdAt,
  ownedBy,
  RESTARTED_AT,
  revisionOf,
  serviceOf,
  versionOf,
} from "../../targets/kubernetes/workload.ts";
import { type ChangeWatcher, pollingWatcher, type Watching } from "../change-watcher.ts";
import { line, prose } from "../webhooks/payload.ts";

/** A Deployment as it was last seen. */
interface Seen {
  readonly revision: number;
  readonly version: string;
  /** Of the pod template without the mark of a restart. */
  readonly behaviour: string;
  readonly restartedAt: string | null;
  readonly replicas: number;
}

/** By the Deployment's uid. */
export type RolloutCursor = Readonly<Record<string, Seen>>;

/**
 * Notices rollouts, restarts and scaling of the Deployments of a namespace: a new revision of the pod template is a deploy, the mark of a restart
 * and another wanted number of copies are changes too, the latter only where no autoscaler sets it. The first look takes the last day's rollouts.
 */
export function watchRollouts(
  options: Watching<RolloutCursor, IncomingChange> & { readonly cluster: () => Promise<Cluster>; readonly environment: string },
): ChangeWatcher {
  return pollingWatcher({
    ...options,
    look: async (seen) => {
      const cluster = await options.cluster();
      const [deployments, replicaSets, autoscalers] = await Promise.all([
        cluster.deployments(),
        cluster.replicaSets(),
        cluster.autoscalers(),
      ]);
      const now = options.now();
      const cursor = Object.fromEntries(deployments.map((one) => [one.metadata.uid ?? one.metadata.name, seenOf(one)]));
      const changes = deployments.flatMap((deployment): IncomingChange[] => {
        const before = seen?.[deployment.metadata.uid ?? deployment.metadata.name];
        if (before) return differences(deployment, before, autoscalers, options.environment, now);
        // Never seen: its last rollout, if that was lately.
        const { revision, version } = seenOf(deployment);
        const own = replicaSets.filter(({ metadata }) => ownedBy(metadata, deployment.metadata.uid));
        const current = own.find(({ metadata }) => revisionOf(metadata) === revision);
        const at = current ? createdAt(current.metadata) : Number.NaN;
        if (!(at >= now - DAY)) return [];
        const earlier = own.filter(({ metadata }) => revisionOf(metadata) < revision);
        const last = earlier.sort((a, b) => revisionOf(b.metadata) - revisionOf(a.metadata))[0];
        const replaced = last ? versionOf(last.spec.template, serviceOf(deployment)) : "absent";
        return [event(deployment, "deploy", `${revision}`, at, replaced, version, options.environment)];
      });
      return JSON.stringify(cursor) === JSON.stringify(seen) ? null : { changes, cursor };
    },
  });
}

const seenOf = (deployment: Workload): Seen => ({
  revision: revisionOf(deployment.metadata),
  version: versionOf(deployment.spec.template, serviceOf(deployment)),
  behaviour: fingerprintOf(behaviourOf(deployment.spec.template)),
  restartedAt: deployment.spec.template.metadata?.annotations?.[RESTARTED_AT] ?? null,
  replicas: deployment.spec.replicas ?? 1,
});

function differences(
  deployment: Workload,
  before: Seen,
  autoscalers: readonly Autoscaler[],
  environment: string,
  now: number,
): IncomingChange[] {
  const after = seenOf(deployment);
  const changes: IncomingChange[] = [];
  const { generation, name } = deployment.metadata;
  if (after.behaviour !== before.behaviour) {
    // The same image with another configuration is a deploy as well; the revision tells it apart.
    const same = after.version === before.version;
    const label = ({ version, revision }: Seen) => (same ? `${version} (revision ${revision})` : version);
    changes.push(event(deployment, "deploy", `${after.revision}-${generation}`, now, label(before), label(after), environment));
  }
  if (after.restartedAt !== before.restartedAt && after.restartedAt !== null) {
    const at = Date.parse(after.restartedAt);
    const state = `${after.version} restarted`;
    changes.push(
      event(deployment, "other", `restart-${after.restartedAt}`, at >= 0 ? at : now, after.version, state, environment),
    );
  }
  const scaled = autoscalers.some(({ spec }) => spec.scaleTargetRef.kind === "Deployment" && spec.scaleTargetRef.name === name);
  if (after.replicas !== before.replicas && !scaled) {
    const [from, to] = [before, after].map(({ replicas }) => `${replicas} copies`);
    changes.push(event(deployment, "scale", `scale-${generation}`, now, from ?? "", to ?? "", environment));
  }
  return changes;
}

function event(
  deployment: Workload,
  kind: IncomingChange["kind"],
  mark: string,
  at: number,
  before: string,
  after: string,
  environment: string,
): IncomingChange {
  const service = line(serviceOf(deployment));
  const { uid, name, namespace, annotations } = deployment.metadata;
  const cause = line(annotations?.[CHANGE_CAUSE], 300);
  return {
    id: `kubernetes:${uid ?? name}:${mark}`,
    at,
    kind,
    subject: service,
    services: [service],
    environment,
    // Kubernetes keeps no author; who leaves a change-cause, as Vigil does, names one.
    actor: /^([^:]{1,80}): /.exec(cause)?.[1] ?? "unknown",
    before: line(before, 100),
    after: line(after, 100),
    summary: cause,
    reference: `${line(namespace)}/${line(name)} revision ${revisionOf(deployment.metadata)}`,
    source: "kubernetes",
    context: prose(cause),
  };
}
