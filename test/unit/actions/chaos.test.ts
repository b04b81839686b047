import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { verifyAudit } from "../../../src/store/audit.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { chaos } from "../../chaos/harness.ts";

describe("chaos", () => {
  it("breaks no invariant in 30 random schedules over two processes on one database (npm run chaos has thousands)", async () => {
    const { findings, tally } = await chaos(join(mkdtempSync(join(tmpdir(), "vigil-chaos-")), "vigil.db"), 30, 20_000);
    expect(findings).toEqual([]);
    expect(tally["ended verified"]).toBeGreaterThan(0);
  });

  const FLAGS = {
    flags: {
      "new-layout": {
        state: "ENABLED",
        variants: { on: true, off: false },
        defaultVariant: "off",
        targeting: {
          fractional: [
            ["on", 25],
            ["off", 75],
          ],
        },
        metadata: { services: "shelf" },
      },
    },
  };

  // The other points are gone through in the simulation; at these a blind retry would do harm, or a watch be forgotten.
  it.each([
    ["claimed", ["unknown"]],
    ["sent", ["rolled_back"]],
    ["undo-sent", ["rolled_back"]],
    ["undone", ["rolled_back"]],
  ])(
    "38: a real process killed with -9 at '%s' is finished by the next one, with one execution in the real flag file",
    async (point, ends) => {
      const folder = mkdtempSync(join(tmpdir(), "vigil-kill-"));
      writeFileSync(join(folder, "flags.json"), JSON.stringify(FLAGS));
      const live = (diesAt: string | undefined) =>
        spawnSync(process.execPath, ["--import", "tsx", join(import.meta.dirname, "../../chaos/victim.ts"), folder], {
          env: { ...process.env, ...(diesAt ? { VICTIM_DIES_AT: diesAt } : {}) },
          encoding: "utf8",
        });
      expect(live(point).signal).toBe("SIGKILL");
      const second = live(undefined);
      expect(second.stderr).toBe("");
      const end = JSON.parse(second.stdout) as { state: string; percent: number };
      expect(ends).toContain(end.state);
      expect(end.percent).toBe(25);
      const db = await openStateDatabase(join(folder, "vigil.db"));
      expect((await verifyAudit(db)).broken).toBeNull();
      const kinds = (await db.selectFrom("audit").select("kind").execute()).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === "executing")).toHaveLength(1);
      await db.destroy();
    },
    60_000,
  );
});
