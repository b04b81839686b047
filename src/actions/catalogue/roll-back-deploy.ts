import { z } from "zod";
import { type DeployState, type DeployTarget, TargetError } from "../ports.ts";
import { type Action, SERVICE_ARGUMENT, SERVICE_RULE } from "./action.ts";

const schema = z.strictObject({
  service: z
    .string()
    .regex(SERVICE_ARGUMENT, SERVICE_RULE)
    .describe("service whose last deploy shall be undone, exactly as list_changes shows it"),
});

/** Undoes the last deploy of a service, leaving a revert in the history. Undone by deploying the version again. */
export function rollBackDeploy(deploys: DeployTarget): Action<typeof schema> {
  const existing = async (service: string): Promise<DeployState> => {
    const state = await deploys.get(service);
    if (state) return state;
    const known = (await deploys.list()).map((one) => one.service).join(", ");
    throw new TargetError(`${service} is not deployed in ${deploys.environment}; there are: ${known}.`, {
      outcomeUnknown: false,
    });
  };
  return {
    name: "roll_back_deploy",
    description: "Takes a service back to the version that ran before its last deploy. Leaves a revert commit.",
    schema,
    reversibility: "slow",
    async plan({ service }) {
      const state = await existing(service);
      if (state.previousVersion === null) {
        throw new TargetError(`${service} has no earlier version to go back to.`, { outcomeUnknown: false });
      }
      return {
        target: `deploy:${service}`,
        environment: deploys.environment,
        services: [service],
        currentState: `version ${state.version}`,
        wantedState: `version ${state.previousVersion}`,
        undo: `deploy ${state.version} again`,
        trafficShare: 1,
        // Code goes back, data does not: what the newer version wrote stays. Whether that matters cannot be told from here.
        stateful: null,
        preState: state.fingerprint,
        snapshot: JSON.stringify({ from: state.version, to: state.previousVersion }),
      };
    },
    async execute({ service }, write) {
      await deploys.rollBack(service, write);
    },
    async inspect({ service }, snapshot) {
      const { version, settling, fingerprint } = await existing(service);
      const { from, to } = versions(snapshot);
      if (settling) return { at: "settling", fingerprint };
      return { at: version === to ? "wanted" : version === from ? "before" : "elsewhere", fingerprint };
    },
    async rollBack({ service }, snapshot, write) {
      await deploys.setVersion(service, versions(snapshot).from, write);
    },
  };
}

const versions = (snapshot: string): { from: string; to: string } => JSON.parse(snapshot) as { from: string; to: string };
