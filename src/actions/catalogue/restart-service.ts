import { z } from "zod";
import { TargetError, type WorkloadTarget } from "../ports.ts";
import { type Action, SERVICE_ARGUMENT, SERVICE_RULE } from "./action.ts";
import { copies, existingWorkload } from "./workload.ts";

const schema = z.strictObject({
  service: z.string().regex(SERVICE_ARGUMENT, SERVICE_RULE).describe("service whose copies shall be replaced by fresh ones"),
});

/** Replaces a service's copies by fresh ones of the same version. What lasts stays as it was, so there is nothing to put back. */
export function restartService(workloads: WorkloadTarget): Action<typeof schema> {
  return {
    name: "restart_service",
    description:
      "Replaces all copies of a service by fresh ones of the same version, a few at a time. Frees leaked memory, connections and locks.",
    schema,
    reversibility: "itself",
    async plan({ service }) {
      const state = await existingWorkload(workloads, service);
      if (state.settling) {
        throw new TargetError(`${service} is being changed already (${state.ready} of ${state.replicas} copies ready).`, {
          outcomeUnknown: false,
        });
      }
      return {
        target: `workload:${service}`,
        environment: workloads.environment,
        services: [service],
        currentState: `${copies(state.replicas)}, ${state.restartMark ? `restarted by us ${state.restartMark}` : "never restarted by us"}`,
        wantedState: `${copies(state.replicas)}, all fresh`,
        undo: "nothing to undo: version, number and configuration stay as they are",
        // A few at a time; a single copy takes everything with it.
        trafficShare: 1 / Math.max(1, state.replicas),
        stateful: state.stateful,
        preState: state.fingerprint,
        snapshot: JSON.stringify({ mark: state.restartMark, replicas: state.replicas }),
      };
    },
    async execute({ service }, write) {
      await workloads.restart(service, write);
    },
    async inspect({ service }, snapshot) {
      const state = await existingWorkload(workloads, service);
      const before = JSON.parse(snapshot) as { mark: string | null; replicas: number };
      const { fingerprint } = state;
      if (state.replicas !== before.replicas) return { at: "elsewhere", fingerprint };
      if (state.restartMark === before.mark) return { at: "before", fingerprint };
      return { at: state.settling ? "settling" : "wanted", fingerprint };
    },
    rollBack: null,
  };
}
