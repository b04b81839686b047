import { describe, expect, it } from "vitest";
import { MINUTE } from "../../../src/domain/time.ts";
import { actionWorld } from "../../support/action-world.ts";

/** A process that is stopped between its claim and its write, and woken when others have judged what became of it. */
describe("a run that was held up after its claim", () => {
  it("sends nothing any more, whether or not another has looked at it meanwhile", async () => {
    for (const judgedByOther of [false, true]) {
      const world = await actionWorld({
        context: {
          checkpoint: async (point) => {
            if (point !== "claimed") return;
            world.clocks.wall += 5 * MINUTE;
            if (!judgedByOther) return;
            await world.db.updateTable("proposals").set({ state: "unknown", outcome: "nobody knows" }).execute();
          },
        },
      });
      const proposal = await world.proposed();
      await world.click(proposal);
      await world.actions.close();
      expect(world.flags.asked).toEqual([]);
      if (judgedByOther) expect(await world.outcome(proposal)).toBe("nobody knows");
      else {
        expect(await world.state(proposal)).toBe("failed");
        expect(await world.outcome(proposal)).toContain("it was not sent, since this process was held up");
      }
    }
  });
});
