import { z } from "zod";
import { type FlagProvider, type FlagState, TargetError } from "../ports.ts";

export const flagArgument = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "a flag key: letters, digits, dot, dash and underscore, at most 100")
  .describe("key of the flag, exactly as list_changes shows it");

/** @throws TargetError naming the flags that there are */
export async function existingFlag(flags: FlagProvider, key: string): Promise<FlagState> {
  const flag = await flags.get(key);
  if (flag) return flag;
  const known = (await flags.list()).map((one) => one.key).join(", ");
  throw new TargetError(`There is no flag ${key} in ${flags.environment}; there are: ${known}.`, { outcomeUnknown: false });
}

export const round = (percent: number): number => Number(percent.toFixed(2));
