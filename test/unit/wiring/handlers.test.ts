import { describe, expect, it } from "vitest";
import type { Reply } from "../../../src/flows/ports.ts";
import { chatHandlers, type HandlerParts } from "../../../src/wiring/handlers.ts";

/** Only what a stop touches is there; anything else fails loudly. */
function desk() {
  const done: string[] = [];
  const parts = {
    core: {
      actions: {
        stop: async (actor: string, reason: string) => {
          done.push(`stop by ${actor}: ${reason}`);
          return "Stopped.";
        },
      },
    },
    stores: {},
    investigator: { cancelAll: async () => void done.push("investigations cancelled") },
    answerer: { stop: () => void done.push("answers cancelled"), ask: async () => void done.push("asked") },
    presenter: { investigationAt: async () => null },
  } as unknown as HandlerParts;
  const said: string[] = [];
  const reply: Reply = { step: async () => {}, answer: async () => {}, sorry: async (text) => void said.push(text) };
  const say = (text: string, surface: string) =>
    chatHandlers(parts).ask(
      {
        messageId: "m",
        at: { surface, channel: "C1", thread: "T1" },
        user: { surface, id: "ana", name: "Ana" },
        text,
        audience: null,
      },
      reply,
    );
  return { done, said, say };
}

describe("a stop typed as a plain message", () => {
  it.each(["slack", "teams", "web"])("on %s ends what runs, stops every action, and says so", async (surface) => {
    const { done, said, say } = desk();
    await say("Vigil, stop!", surface);
    expect(done).toEqual(["investigations cancelled", "answers cancelled", `stop by ${surface}:ana: said in the channel`]);
    expect(said).toEqual(["Stopped."]);
  });

  it("keeps the reason without secrets", async () => {
    const { done, say } = desk();
    await say("stop: the rollback used password=hunter2hunter2", "slack");
    expect(done.at(-1)).toMatch(/^stop by slack:ana: the rollback used password=/);
    expect(done.at(-1)).not.toContain("hunter2");
  });

  it("within a sentence it is a question like any other", async () => {
    const { done, say } = desk();
    await say("stop guessing and look at the logs", "slack");
    expect(done).toEqual(["asked"]);
  });
});
