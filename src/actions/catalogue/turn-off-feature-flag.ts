import { z } from "zod";
import { type FlagProvider, TargetError } from "../ports.ts";
import type { Action } from "./action.ts";
import { existingFlag, flagArgument, round } from "./flag.ts";

const schema = z.strictObject({ flag: flagArgument });

/** Switches a flag off for everybody, whatever its rollout and rules say. Undone by restoring the flag's definition as it was. */
export function turnOffFeatureFlag(flags: FlagProvider): Action<typeof schema> {
  return {
    name: "turn_off_feature_flag",
    description: "Switches a feature flag off for everybody, with all its rules. Instant and reversible.",
    schema,
    reversibility: "instant",
    async plan({ flag: key }) {
      const flag = await existingFlag(flags, key);
      if (!flag.enabled) throw new TargetError(`${key} is switched off already.`, { outcomeUnknown: false });
      return {
        target: `flag:${key}`,
        environment: flags.environment,
        services: flag.services,
        currentState: `on for ${round(flag.percent)}%`,
        wantedState: "off for everybody",
        undo: `switch ${key} on again for ${round(flag.percent)}% as it was`,
        trafficShare: flag.percent / 100,
        stateful: false,
        preState: flag.fingerprint,
        snapshot: await flags.snapshot(key),
      };
    },
    async execute({ flag }, write) {
      await flags.setEnabled(flag, false, write);
    },
    async inspect({ flag: key }, snapshot) {
      const flag = await existingFlag(flags, key);
      if (!flag.enabled) return { at: "wanted", fingerprint: flag.fingerprint };
      const before = (await flags.snapshot(key)) === snapshot;
      return { at: before ? "before" : "elsewhere", fingerprint: flag.fingerprint };
    },
    async rollBack({ flag }, snapshot, write) {
      await flags.restore(flag, snapshot, write);
    },
  };
}
