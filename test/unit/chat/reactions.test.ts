import { expect, it } from "vitest";
import { Lines } from "../../../src/chat/lines.ts";
import { DEFAULT_EMOJI, takeReaction } from "../../../src/chat/reactions.ts";
import { ConversationRepository } from "../../../src/store/conversations.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { FakeHandlers } from "../../support/fake-handlers.ts";

it("what one person puts on a message and takes away again counts in that order, though the first look-up of a name is slow", async () => {
  const db = await openStateDatabase(":memory:");
  const store = new ConversationRepository(db);
  await store.saveRef("investigation:INV-1", "slack", { channel: "C1", message: "m1" });
  const handlers = new FakeHandlers();
  let pause = 30;
  const deps = {
    surface: "slack",
    store,
    handlers,
    emoji: DEFAULT_EMOJI,
    named: async (id: string) => {
      await new Promise((done) => setTimeout(done, pause));
      pause = 0;
      return { surface: "slack", id, name: id };
    },
    member: () => Promise.reject(new Error("nobody decides here")),
    audience: async () => null,
    lines: new Lines(),
    now: () => 1,
  };
  const reaction = { channel: "C1", message: "m1", user: "U1", emoji: "+1" };
  await Promise.all([takeReaction(deps, reaction, true), takeReaction(deps, reaction, false)]);
  expect(handlers.verdicts.map(({ verdict }) => verdict)).toEqual(["correct", null]);
  await db.destroy();
});
