import { z } from "zod";
import { type FlagProvider, type FlagState, TargetError } from "../ports.ts";
import type { Action } from "./action.ts";

const schema = z.strictObject({
  flag: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "a flag key: letters, digits, dot, dash and underscore, at most 100")
    .describe("key of the flag, exactly as list_changes shows it"),
  percent: z.number().min(0).max(100).describe("share of traffic that shall get the new behaviour; 0 turns the rollout off"),
});

/** Sets a flag's rollout share; 0 is off. Undone by restoring the flag's definition as it was. */
export function toggleFeatureFlag(flags: FlagProvider): Action<typeof schema> {
  const existing = async (key: string): Promise<FlagState> => {
    const flag = await flags.get(key);
    if (flag) return flag;
    const known = (await flags.list()).map((one) => one.key).join(", ");
    throw new TargetError(`There is no flag ${key} in ${flags.environment}; there are: ${known}.`, { outcomeUnknown: false });
  };
  return {
    name: "toggle_feature_flag",
    description: "Sets the rollout share of a feature flag for live traffic. Instant and reversible.",
    schema,
    reversibility: "instant",
    async plan({ flag: key, percent }) {
      const flag = await existing(key);
      if (!flag.enabled) throw new TargetError(`${key} is switched off already.`, { outcomeUnknown: false });
      if (flag.percent === percent) throw new TargetError(`${key} is at ${percent}% already.`, { outcomeUnknown: false });
      return {
        target: `flag:${key}`,
        environment: flags.environment,
        services: flag.services,
        currentState: `${round(flag.percent)}% on`,
        wantedState: `${round(percent)}% on`,
        undo: `restore ${key} to ${round(flag.percent)}% as it was`,
        trafficShare: Math.abs(flag.percent - percent) / 100,
        preState: flag.fingerprint,
        snapshot: await flags.snapshot(key),
      };
    },
    async execute({ flag, percent }, write) {
      await flags.setPercent(flag, percent, write);
    },
    async reached({ flag, percent }) {
      const now = await flags.get(flag);
      return now !== null && Math.abs(now.percent - percent) < 0.01;
    },
    async rollBack({ flag }, snapshot, write) {
      await flags.restore(flag, snapshot, write);
    },
    async restored({ flag }, snapshot) {
      return (await flags.snapshot(flag)) === snapshot;
    },
  };
}

const round = (percent: number): number => Number(percent.toFixed(2));
