import { z } from "zod";
import { TargetError, type WorkloadTarget } from "../ports.ts";
import { type Action, SERVICE_ARGUMENT, SERVICE_RULE } from "./action.ts";
import { copies, existingWorkload } from "./workload.ts";

const schema = z.strictObject({
  service: z.string().regex(SERVICE_ARGUMENT, SERVICE_RULE).describe("service whose number of copies shall change"),
  replicas: z.number().int().min(1).max(500).describe("copies that shall run; never 0"),
});

/** Sets how many copies of a service run. Undone by setting the number from before. */
export function scaleService(workloads: WorkloadTarget): Action<typeof schema> {
  return {
    name: "scale_service",
    description: "Sets how many copies of a service run, for instance because it is saturated. Reversible.",
    schema,
    reversibility: "instant",
    async plan({ service, replicas }) {
      const state = await existingWorkload(workloads, service);
      const refuse = (why: string) => new TargetError(why, { outcomeUnknown: false });
      if (state.replicas === replicas) throw refuse(`${service} has ${copies(replicas)} already.`);
      const { bounds } = state;
      if (bounds && (replicas < bounds.min || replicas > bounds.max)) {
        throw refuse(`${service} may have ${bounds.min} to ${bounds.max} copies, not ${replicas}: its autoscaler says so.`);
      }
      return {
        target: `workload:${service}`,
        environment: workloads.environment,
        services: [service],
        currentState: copies(state.replicas),
        wantedState: copies(replicas),
        undo: `set ${service} to ${copies(state.replicas)} again`,
        trafficShare: Math.min(1, Math.abs(state.replicas - replicas) / Math.max(state.replicas, replicas)),
        stateful: state.stateful,
        preState: state.fingerprint,
        snapshot: JSON.stringify({ replicas: state.replicas }),
      };
    },
    async steps({ service, replicas }, canary) {
      const from = (await existingWorkload(workloads, service)).replicas;
      const fractions = replicas < from ? canary.towardsRisk : canary.towardsSafety;
      const counts = fractions.map((fraction) => Math.round(from + (replicas - from) * fraction));
      const between = [...new Set(counts)].filter((count) => count !== from && count !== replicas);
      return between.map((count) => ({ args: { service, replicas: count }, state: copies(count) }));
    },
    async execute({ service, replicas }, write) {
      await workloads.scale(service, replicas, write);
    },
    async inspect({ service, replicas }, snapshot) {
      const state = await existingWorkload(workloads, service);
      const { fingerprint } = state;
      if (state.replicas === replicas) return { at: state.settling ? "settling" : "wanted", fingerprint };
      const before = state.replicas === (JSON.parse(snapshot) as { replicas: number }).replicas;
      return { at: before ? "before" : "elsewhere", fingerprint };
    },
    async rollBack({ service }, snapshot, write) {
      await workloads.scale(service, (JSON.parse(snapshot) as { replicas: number }).replicas, write);
    },
  };
}
