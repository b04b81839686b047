import { z } from "zod";
import { type DeployTarget, TargetError } from "../ports.ts";
import type { Action } from "./action.ts";

const schema = z.strictObject({
  service: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "a service name: letters, digits, dot, dash and underscore, at most 63")
    .describe("service whose last deploy shall be undone, exactly as list_changes shows it"),
});

/** Undoes the last deploy of a service, leaving a revert in the history. Undone by deploying the version again. */
export function rollBackDeploy(deploys: DeployTarget): Action<typeof schema> {
  return {
    name: "roll_back_deploy",
    description: "Takes a service back to the version that ran before its last deploy. Leaves a revert commit.",
    schema,
    reversibility: "slow",
    async plan({ service }) {
      const state = await deploys.get(service);
      if (!state) {
        const known = (await deploys.list()).map((one) => one.service).join(", ");
        throw new TargetError(`${service} is not deployed in ${deploys.environment}; there are: ${known}.`, {
          outcomeUnknown: false,
        });
      }
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
        preState: state.fingerprint,
        snapshot: JSON.stringify({ from: state.version, to: state.previousVersion }),
      };
    },
    async execute({ service }, write) {
      await deploys.rollBack(service, write);
    },
    async reached({ service }, snapshot) {
      return (await deploys.get(service))?.version === versions(snapshot).to;
    },
    async rollBack({ service }, snapshot, write) {
      await deploys.setVersion(service, versions(snapshot).from, write);
    },
    async restored({ service }, snapshot) {
      return (await deploys.get(service))?.version === versions(snapshot).from;
    },
  };
}

const versions = (snapshot: string): { from: string; to: string } => JSON.parse(snapshot) as { from: string; to: string };
