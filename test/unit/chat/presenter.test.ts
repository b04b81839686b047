import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Card } from "../../../src/chat/card.ts";
import { Presenter } from "../../../src/chat/presenter.ts";
import type { MessageRef } from "../../../src/chat/store.ts";
import { DeliveryError, type Surface } from "../../../src/chat/surface.ts";
import { ConversationRepository } from "../../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../../src/store/state.ts";
import { finished, forecast, pending, running } from "../../support/chat-samples.ts";
import { silentLog, until } from "../../support/fake-handlers.ts";

/** A platform that keeps messages and misbehaves on request. */
class FakeSurface implements Surface {
  readonly messages = new Map<string, { card: Card; thread: string | null; edits: number }>();
  readonly seenAgain: boolean[] = [];
  errors: unknown[] = [];
  hold: Promise<void> = Promise.resolve();
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  async post(card: Card, thread: MessageRef | null, again: boolean, mayGo?: () => void): Promise<MessageRef> {
    await this.hold;
    mayGo?.();
    this.seenAgain.push(again);
    const error = this.errors.shift();
    if (error) throw error;
    const message = `m${this.messages.size + 1}`;
    this.messages.set(message, { card, thread: thread?.message ?? null, edits: 0 });
    return { channel: "c", message };
  }

  async update(ref: MessageRef, card: Card): Promise<void> {
    await this.hold;
    const error = this.errors.shift();
    if (error) throw error;
    const known = this.messages.get(ref.message);
    if (!known) throw new DeliveryError("no such message", "gone");
    this.messages.set(ref.message, { ...known, card, edits: known.edits + 1 });
  }

  get badges(): string[] {
    return [...this.messages.values()].map(({ card }) => card.badge);
  }
}

let db: StateDatabase;
let store: ConversationRepository;
let one: FakeSurface;
let two: FakeSurface;
let presenter: Presenter;

beforeEach(async () => {
  db = await openStateDatabase(":memory:");
  store = new ConversationRepository(db);
  one = new FakeSurface("one");
  two = new FakeSurface("two");
  presenter = new Presenter({ surfaces: [one, two], store, log: silentLog });
});

afterEach(async () => {
  await presenter.close();
  await db.destroy();
});

const settled = (surface: FakeSurface, badge: string) => until(badge, () => surface.badges.includes(badge));

describe("the presenter", () => {
  it("posts on every surface and edits the same message", async () => {
    await presenter.showInvestigation(running());
    await settled(one, "Investigating");
    await presenter.showInvestigation(finished());
    for (const surface of [one, two]) await settled(surface, "Cause found · 91 %");
    expect([one.messages.size, two.messages.size]).toEqual([1, 1]);
  });

  it("puts proposals and verdicts into the investigation's thread, even when they come first", async () => {
    let release = () => {};
    one.hold = new Promise<void>((done) => {
      release = done;
    });
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending());
    await presenter.tell("INV-1", "**Verified.**");
    release();
    await until("all three", () => one.messages.size === 3);
    expect([...one.messages.values()].map(({ thread }) => thread)).toEqual([null, "m1", "m1"]);
    expect(await presenter.investigationAt({ surface: "one", channel: "c", thread: "m1" })).toBe("INV-1");
    expect(await presenter.investigationAt({ surface: "one", channel: "c", thread: "m2" })).toBeNull();
  });

  it("leaves sending to the one of several replicas that leads, also when it was held up just before it sent", async () => {
    const leads = { first: true, second: false };
    const replica = (name: "first" | "second") => {
      const surface = new FakeSurface("shared");
      const sender = {
        get leads() {
          return leads[name];
        },
        run: <T>(work: () => Promise<T>) => work(),
      };
      return { surface, presenter: new Presenter({ surfaces: [surface], store, log: silentLog, sender }) };
    };
    const [first, second] = [replica("first"), replica("second")];
    let release = () => {};
    first.surface.hold = new Promise<void>((done) => {
      release = done;
    });
    // Wanted by the one that only serves clicks, sent by the other.
    await second.presenter.showInvestigation(running());
    await until("the first to begin", async () => (await store.next("shared", Date.now()))?.begun);
    Object.assign(leads, { first: false, second: true });
    second.presenter.wake();
    await until("the second to send", () => second.surface.messages.size === 1);
    release();
    await first.presenter.close();
    await second.presenter.close();
    expect(first.surface.messages.size).toBe(0);
    expect(second.surface.messages.size).toBe(1);
    expect(second.surface.seenAgain).toEqual([true]);
  });

  it("tells with a picture where there is one", async () => {
    await presenter.tell(null, "A disk will be full.", forecast());
    await until("the note", () => one.messages.size === 1);
    const [message] = [...one.messages.values()];
    expect(message?.card.body.map(({ type }) => type)).toEqual(["text", "picture"]);
    expect(message?.card.body[1]).toMatchObject({ investigationId: "forecast-1" });
  });

  it("does not wait for a surface that hangs, and shows it only the newest card when it is back", async () => {
    let release = () => {};
    one.hold = new Promise<void>((done) => {
      release = done;
    });
    await presenter.showInvestigation(running());
    await settled(two, "Investigating");
    for (let index = 0; index < 20; index++) await presenter.showInvestigation({ ...running(), feedback: [] });
    await presenter.showInvestigation(finished());
    await settled(two, "Cause found · 91 %");
    release();
    await settled(one, "Cause found · 91 %");
    expect([...one.messages.values()][0]?.edits).toBeLessThanOrEqual(1);
  });

  it("tries again after a failure and says that the earlier try may have arrived", async () => {
    one.errors = [new Error("socket hang up"), new DeliveryError("slow down", "later", { retryAfter: 30 })];
    await presenter.showInvestigation(running());
    await settled(one, "Investigating");
    expect(one.seenAgain).toEqual([false, true, true]);
    expect(one.messages.size).toBe(1);
  });

  it("posts anew when the message was deleted, and the old one is no longer the live card", async () => {
    await presenter.showProposal(pending({ investigationId: null }));
    await settled(one, "Awaits approval");
    one.messages.clear();
    one.messages.set("other", { card: pending() as never, thread: null, edits: 0 });
    await presenter.showProposal(pending({ investigationId: null, state: "denied" }));
    await until("the new message", () => presenter.isCardOf("PRO-1", "one", { channel: "c", id: "m2" }));
    expect(one.messages.size).toBe(2);
    expect(await presenter.isCardOf("PRO-1", "one", { channel: "c", id: "m1" })).toBe(false);
  });

  it("gives up what will never work, until there is something new to show", async () => {
    one.errors = [new DeliveryError("archived", "never")];
    await presenter.showInvestigation(running());
    await until("the try", () => one.seenAgain.length === 1);
    await new Promise((done) => setTimeout(done, 100));
    expect(one.seenAgain).toHaveLength(1);
    await presenter.showInvestigation(finished());
    await settled(one, "Cause found · 91 %");
  });

  it("a reply whose root was given up stands in the channel instead of nowhere", async () => {
    one.errors = [new DeliveryError("archived", "never")];
    await presenter.showInvestigation(running());
    await until("the try", () => one.seenAgain.length === 1);
    await presenter.showProposal(pending());
    await settled(one, "Awaits approval");
    expect([...one.messages.values()][0]?.thread).toBeNull();
  });

  it("after a restart sends what was waiting, and edits what was shown", async () => {
    await presenter.showInvestigation(running());
    await settled(one, "Investigating");
    one.errors = Array.from({ length: 50 }, () => new Error("down"));
    await presenter.showInvestigation(finished());
    await until("a failed try", () => one.errors.length < 50);
    await presenter.close();
    one.errors = [];
    presenter = new Presenter({ surfaces: [one, two], store, log: silentLog });
    await settled(one, "Cause found · 91 %");
    expect(one.messages.size).toBe(1);
  });

  it("sends nothing when nothing changed", async () => {
    await presenter.showInvestigation(finished());
    await settled(one, "Cause found · 91 %");
    await presenter.showInvestigation(finished());
    await new Promise((done) => setTimeout(done, 60));
    expect([...one.messages.values()][0]?.edits).toBe(0);
  });
});
