import { TargetError } from "../../actions/ports.ts";
import type { Milliseconds } from "../../domain/time.ts";
import type { Cluster } from "./cluster.ts";
import type { Workload } from "./objects.ts";
import { settled, stuck } from "./workload.ts";

/** Between looks, should the watch break off or say nothing. */
const LOOK_AGAIN: Milliseconds = 5_000;

/**
 * Watches a Deployment until all its copies run what is wanted and are available.
 *
 * @throws TargetError of unknown outcome when the rollout stands still or takes longer than `within`: the write was accepted, and reading the
 * target back tells what is wanted there
 */
export async function untilReady(cluster: Cluster, name: string, within: Milliseconds): Promise<void> {
  const deadline = Date.now() + within;
  let last = await cluster.deployment(name);
  while (!settled(last)) {
    const halt = stuck(last);
    if (halt) throw unready(name, last, halt);
    const left = deadline - Date.now();
    if (left <= 0) throw unready(name, last, `not after ${within / 1_000} s`);
    await cluster.changed(name, last.metadata.resourceVersion, Math.min(left, LOOK_AGAIN));
    last = await cluster.deployment(name);
  }
}

function unready(name: string, { spec, status }: Workload, why: string): TargetError {
  return new TargetError(
    `The change of ${name} is accepted, but ${status.availableReplicas ?? 0} of ${spec.replicas ?? 1} copies are ready (${why}). ` +
      `Look at kubectl rollout status deployment/${name}.`,
    { outcomeUnknown: true },
  );
}
