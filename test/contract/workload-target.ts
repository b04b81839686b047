import { describe, expect, it } from "vitest";
import { StateMovedError, type WorkloadTarget, type WriteContext } from "../../src/actions/ports.ts";

/** What every workload target must do. `create` gives a fresh one on which `checkout` runs with 3 copies, all ready, never restarted by us. */
export function workloadTargetContract(name: string, create: () => Promise<WorkloadTarget>): void {
  let keys = 0;
  const write = (more: Partial<WriteContext> = {}): WriteContext => ({
    actor: "vigil (approved by maya)",
    reason: "memory",
    idempotencyKey: `key-${++keys}`,
    expected: null,
    ...more,
  });
  const current = async (target: WorkloadTarget) => (await target.get("checkout"))!;

  describe(`${name} as a workload target`, () => {
    it("reads a workload, and null for one that is not there", async () => {
      const target = await create();
      expect(await current(target)).toMatchObject({ service: "checkout", replicas: 3, ready: 3, settling: false });
      expect(await target.get("constructor")).toBeNull();
      expect(await target.get("../checkout")).toBeNull();
      expect((await target.list()).map(({ service }) => service)).toContain("checkout");
    });

    it("restarts once for each key, keeping the number of copies", async () => {
      const target = await create();
      const before = await current(target);
      const once = write({ expected: before.fingerprint });
      const after = await target.restart("checkout", once);
      expect(after.restartMark).not.toBe(before.restartMark);
      expect(after.replicas).toBe(3);
      expect(after.fingerprint).not.toBe(before.fingerprint);
      expect((await target.restart("checkout", once)).restartMark).toBe(after.restartMark);
      expect((await target.restart("checkout", write())).restartMark).not.toBe(after.restartMark);
    });

    it("scales, and back to the very fingerprint from before", async () => {
      const target = await create();
      const before = await current(target);
      expect((await target.scale("checkout", 5, write({ expected: before.fingerprint }))).replicas).toBe(5);
      expect((await current(target)).replicas).toBe(5);
      expect((await target.scale("checkout", 3, write())).fingerprint).toBe(before.fingerprint);
    });

    it("refuses less than one copy, parts of copies and unknown services, and changes nothing", async () => {
      const target = await create();
      const before = await current(target);
      for (const replicas of [0, -1, 1.5, Number.NaN]) {
        await expect((async () => target.scale("checkout", replicas, write()))()).rejects.toThrow(/replicas/);
      }
      await expect(target.scale("nobody", 2, write())).rejects.toThrow(/nobody/);
      await expect(target.restart("nobody", write())).rejects.toThrow(/nobody/);
      expect((await current(target)).fingerprint).toBe(before.fingerprint);
    });

    it("refuses a write whose workload moved since the decision", async () => {
      const target = await create();
      const { fingerprint } = await current(target);
      await target.scale("checkout", 4, write({ expected: fingerprint }));
      await expect(target.scale("checkout", 6, write({ expected: fingerprint }))).rejects.toBeInstanceOf(StateMovedError);
      await expect(target.restart("checkout", write({ expected: fingerprint }))).rejects.toBeInstanceOf(StateMovedError);
      expect((await current(target)).replicas).toBe(4);
    });
  });
}
