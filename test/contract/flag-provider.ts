import { describe, expect, it } from "vitest";
import { type FlagProvider, StateMovedError, type WriteContext } from "../../src/actions/ports.ts";

/**
 * What every flag provider must do. `create` gives a fresh one that holds the flag `rollout`, enabled, at 10 % and unpinned.
 * A provider whose system knows whole percentages only refuses fractions rather than rounding them.
 */
export function flagProviderContract(
  name: string,
  create: () => Promise<FlagProvider>,
  { fractions = true }: { readonly fractions?: boolean } = {},
): void {
  let keys = 0;
  const write = (more: Partial<WriteContext> = {}): WriteContext => ({
    actor: "vigil (approved by maya)",
    reason: "latency",
    idempotencyKey: `key-${++keys}`,
    expected: null,
    ...more,
  });
  const current = async (flags: FlagProvider) => (await flags.get("rollout"))!;

  describe(`${name} as a flag provider`, () => {
    it("reads the flag, and null for one that is not there", async () => {
      const flags = await create();
      expect(await flags.get("rollout")).toMatchObject({ enabled: true, percent: 10, pinnedOff: [] });
      expect(await flags.get("constructor")).toBeNull();
      expect((await flags.list()).map(({ key }) => key)).toContain("rollout");
    });

    it(`changes the share and reads it back, whole ${fractions ? "or in fractions" : "only"}`, async () => {
      const flags = await create();
      for (const percent of fractions ? [0, 25, 0.5, 100] : [0, 25, 100]) {
        expect((await flags.setPercent("rollout", percent, write())).percent).toBe(percent);
        expect((await current(flags)).percent).toBe(percent);
      }
      if (fractions) return;
      await expect((async () => flags.setPercent("rollout", 0.5, write()))()).rejects.toThrow(/whole number/);
      expect((await current(flags)).percent).toBe(100);
    });

    it("refuses a share outside 0 to 100 and an unknown flag, and changes nothing", async () => {
      const flags = await create();
      const before = await current(flags);
      await expect((async () => flags.setPercent("rollout", 101, write()))()).rejects.toThrow(/0 to 100/);
      await expect((async () => flags.setPercent("rollout", Number.NaN, write()))()).rejects.toThrow(/0 to 100/);
      await expect(flags.setPercent("no-such-flag", 5, write())).rejects.toThrow(/no-such-flag/);
      expect(await current(flags)).toEqual(before);
    });

    it("refuses a write whose flag moved since the decision", async () => {
      const flags = await create();
      const { fingerprint } = await current(flags);
      await flags.setPercent("rollout", 20, write({ expected: fingerprint }));
      await expect(flags.setPercent("rollout", 0, write({ expected: fingerprint }))).rejects.toBeInstanceOf(StateMovedError);
      expect((await current(flags)).percent).toBe(20);
    });

    it("does nothing when the last write is repeated with its key", async () => {
      const flags = await create();
      const once = write();
      await flags.setPercent("rollout", 20, once);
      expect((await flags.setPercent("rollout", 90, once)).percent).toBe(20);
    });

    it("pins one cohort to off and lets it go, to the very state that was before", async () => {
      const flags = await create();
      const before = await current(flags);
      const pinned = await flags.pinCohort("rollout", "test", true, write());
      expect(pinned).toMatchObject({ percent: 10, pinnedOff: ["test"] });
      expect(pinned.fingerprint).not.toBe(before.fingerprint);
      expect((await flags.pinCohort("rollout", "test", false, write())).fingerprint).toBe(before.fingerprint);
    });

    it("switches off and restores a snapshot exactly", async () => {
      const flags = await create();
      const before = await current(flags);
      const snapshot = await flags.snapshot("rollout");
      expect((await flags.setEnabled("rollout", false, write())).enabled).toBe(false);
      await flags.setPercent("rollout", 70, write());
      expect((await flags.restore("rollout", snapshot, write())).fingerprint).toBe(before.fingerprint);
    });
  });
}
