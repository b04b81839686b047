import { z } from "zod";
import { type FlagProvider, TargetError } from "../ports.ts";
import type { Action } from "./action.ts";
import { existingFlag, flagArgument, round } from "./flag.ts";

const schema = z.strictObject({
  flag: flagArgument,
  percent: z.number().min(0).max(100).describe("share of traffic that shall get the new behaviour; 0 turns the rollout off"),
});

/** Sets a flag's rollout share; 0 is off. Undone by restoring the flag's definition as it was. */
export function toggleFeatureFlag(flags: FlagProvider): Action<typeof schema> {
  return {
    name: "toggle_feature_flag",
    description: "Sets the rollout share of a feature flag for live traffic. Instant and reversible.",
    schema,
    reversibility: "instant",
    async plan({ flag: key, percent }) {
      const flag = await existingFlag(flags, key);
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
        stateful: false,
        preState: flag.fingerprint,
        snapshot: await flags.snapshot(key),
      };
    },
    async steps({ flag: key, percent }, canary) {
      const from = (await existingFlag(flags, key)).percent;
      const fractions = percent > from ? canary.towardsRisk : canary.towardsSafety;
      // Providers differ in how finely they split traffic; whole percents are understood by all.
      const shares = fractions.map((fraction) => Math.round(from + (percent - from) * fraction));
      const between = [...new Set(shares)].filter((share) => share !== Math.round(from) && share !== Math.round(percent));
      return between.map((share) => ({ args: { flag: key, percent: share }, state: `${share}% on` }));
    },
    async execute({ flag, percent }, write) {
      await flags.setPercent(flag, percent, write);
    },
    async inspect({ flag: key, percent }, snapshot) {
      const flag = await existingFlag(flags, key);
      if (flag.enabled && Math.abs(flag.percent - percent) < 0.01) return { at: "wanted", fingerprint: flag.fingerprint };
      const before = (await flags.snapshot(key)) === snapshot;
      return { at: before ? "before" : "elsewhere", fingerprint: flag.fingerprint };
    },
    async rollBack({ flag }, snapshot, write) {
      await flags.restore(flag, snapshot, write);
    },
  };
}
