import { TargetError, type WorkloadState, type WorkloadTarget } from "../ports.ts";

/** @throws TargetError naming the workloads that there are */
export async function existingWorkload(workloads: WorkloadTarget, service: string): Promise<WorkloadState> {
  const state = await workloads.get(service);
  if (state) return state;
  const known = (await workloads.list()).map((one) => one.service).join(", ");
  throw new TargetError(`${service} does not run in ${workloads.environment}; there are: ${known}.`, { outcomeUnknown: false });
}

export const copies = (count: number): string => `${count} ${count === 1 ? "copy" : "copies"}`;
