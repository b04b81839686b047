import { describe, expect, it } from "vitest";
import { type DeployTarget, StateMovedError, type WriteContext } from "../../src/actions/ports.ts";

/** What every deploy target must do. `create` gives a fresh one on which `checkout` went from 1.4.0 to 1.4.1. */
export function deployTargetContract(name: string, create: () => Promise<DeployTarget>): void {
  let keys = 0;
  const write = (more: Partial<WriteContext> = {}): WriteContext => ({
    actor: "vigil (approved by maya)",
    reason: "errors",
    idempotencyKey: `key-${++keys}`,
    expected: null,
    ...more,
  });

  describe(`${name} as a deploy target`, () => {
    it("reads the running version and the one before", async () => {
      const target = await create();
      expect(await target.get("checkout")).toMatchObject({ version: "1.4.1", previousVersion: "1.4.0" });
      expect(await target.get("../checkout")).toBeNull();
      expect((await target.list()).map(({ service }) => service)).toEqual(["checkout"]);
    });

    it("rolls back, once for each key", async () => {
      const target = await create();
      const once = write({ expected: (await target.get("checkout"))!.fingerprint });
      expect(await target.rollBack("checkout", once)).toMatchObject({ version: "1.4.0" });
      const after = (await target.get("checkout"))!;
      expect(await target.rollBack("checkout", once)).toEqual(after);
      expect(await target.get("checkout")).toEqual(after);
    });

    it("puts a version back after a rollback", async () => {
      const target = await create();
      await target.rollBack("checkout", write());
      expect(await target.setVersion("checkout", "1.4.1", write())).toMatchObject({ version: "1.4.1", previousVersion: "1.4.0" });
    });

    it("refuses when somebody deployed since the decision, and a service it does not know", async () => {
      const target = await create();
      const { fingerprint } = (await target.get("checkout"))!;
      await target.setVersion("checkout", "1.4.2", write());
      await expect(target.rollBack("checkout", write({ expected: fingerprint }))).rejects.toBeInstanceOf(StateMovedError);
      await expect(target.rollBack("nobody", write())).rejects.toThrow(/nobody/);
      expect(await target.get("checkout")).toMatchObject({ version: "1.4.2" });
    });
  });
}
