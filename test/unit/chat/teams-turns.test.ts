import { type Activity, TestAdapter } from "botbuilder";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Presenter } from "../../../src/chat/presenter.ts";
import { turnOf } from "../../../src/chat/teams/botbuilder.ts";
import type { Connector } from "../../../src/chat/teams/connector.ts";
import { type TeamsSurface, teamsSurface } from "../../../src/chat/teams/index.ts";
import { ConversationRepository } from "../../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../../src/store/state.ts";
import { TeamsConversationRepository } from "../../../src/store/teams.ts";
import { finished, pending } from "../../support/chat-samples.ts";
import { FakeHandlers, silentLog, until } from "../../support/fake-handlers.ts";
import { ANA, actionsOf, BEN, CHANNEL, TENANT } from "../../support/fake-teams.ts";
import { judgeActivity } from "../../support/fake-teams-cards.ts";

type Json = Record<string, unknown>;

let db: StateDatabase;
let store: ConversationRepository;
let handlers: FakeHandlers;
let surface: TeamsSurface;
let presenter: Presenter;
let adapter: TestAdapter;
/** Messages by id, as the connector has them. */
let messages: Map<string, Json>;

/** The SDK's own TestAdapter delivers the turns; what Vigil writes goes to a connector that only remembers. */
beforeEach(async () => {
  db = await openStateDatabase(":memory:");
  handlers = new FakeHandlers();
  messages = new Map();
  const put = (activity: object, id = `m${messages.size + 1}`) => {
    expect(judgeActivity(activity as Json, true)).toEqual([]);
    messages.set(id, activity as Json);
    return id;
  };
  const member = ({ id, name, aadObjectId, tenantId }: typeof ANA) => ({ id, name, aadObjectId, tenantId, guest: false });
  const connector: Connector = {
    send: async (_to, activity) => (activity.type === "typing" ? "t" : put(activity)),
    open: async (to, activity) => {
      const id = put(activity);
      return { conversation: `${to.conversation};messageid=${id}`, id };
    },
    update: async (_to, id, activity) => void put(activity, id),
    member: async (_to, id) => member([ANA, BEN].find((one) => one.id === id) ?? BEN),
    members: async () => [member(ANA), member(BEN)],
  };
  store = new ConversationRepository(db);
  surface = teamsSurface({
    appId: null,
    environment: "test",
    tenantId: TENANT,
    channel: CHANNEL,
    serviceUrl: "http://127.0.0.1:1/",
    serviceHosts: ["127.0.0.1:1"],
    host: "127.0.0.1",
    port: 0,
    mayApprove: async (id) => id === ANA.aadObjectId,
    store,
    conversations: new TeamsConversationRepository(db),
    connector,
    pace: { gap: 0, sleep: async () => {} },
    log: silentLog,
  });
  presenter = new Presenter({ surfaces: [surface], store, log: silentLog });
  await surface.start(handlers);
  adapter = new TestAdapter(turnOf((activity) => surface.receive(activity)));
});

afterEach(async () => {
  await presenter.close();
  await surface.stop();
  await db.destroy();
});

const deliver = async (from: typeof ANA, activity: Json, conversation = CHANNEL): Promise<Json | undefined> => {
  await adapter.processActivity({
    channelId: "msteams",
    serviceUrl: "http://127.0.0.1:1/",
    from: { id: from.id, name: from.name, aadObjectId: from.aadObjectId },
    recipient: { id: "28:vigil", name: "Vigil" },
    conversation: { id: conversation, tenantId: TENANT, conversationType: "channel" },
    ...activity,
  } as unknown as Partial<Activity>);
  return (adapter.getNextReply() as { value?: { body?: Json } } | undefined)?.value?.body;
};
const invoke = (from: typeof ANA, name: string, value: unknown, replyToId: string, conversation: string) =>
  deliver(from, { type: "invoke", name, value, replyToId }, conversation);
const cardIn = (id: string): Json => {
  const [attachment] = (messages.get(id)?.attachments as { content: Json }[] | undefined) ?? [];
  return attachment?.content ?? {};
};
/** Posted, and which message it is is known. */
const shown = (subject: string) => until(subject, () => store.ref(subject, "teams"));
const thread = `${CHANNEL};messageid=m1`;

describe("turns of the SDK's TestAdapter", () => {
  it("message: a question is answered", async () => {
    await deliver(ANA, { type: "message", id: "q1", text: "why is checkout slow?" });
    await until("the answer", () => messages.size > 0);
    expect(handlers.questions).toMatchObject([{ text: "why is checkout slow?" }]);
  });

  it("invoke: approvers see the buttons in their own view, others do not; the press is a decision; the update takes the buttons away", async () => {
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending());
    await shown("proposal:PRO-1");
    const { refresh } = cardIn("m2") as { refresh: { action: Json; userIds: string[] } };
    expect(refresh.userIds).toEqual([ANA.id]);
    const automatic = { action: refresh.action, trigger: "automatic" };
    const titles = async (who: typeof ANA) =>
      actionsOf((await invoke(who, "adaptiveCard/action", automatic, "m2", thread))?.value as Json).map(({ title }) => title);
    expect(await titles(ANA)).toContain("Yes, approve");
    expect(await titles(BEN)).not.toContain("Yes, approve");

    const own = (await invoke(ANA, "adaptiveCard/action", automatic, "m2", thread))?.value as Json;
    const yes = actionsOf(own).find(({ title }) => title === "Yes, approve");
    const answer = await invoke(ANA, "adaptiveCard/action", { action: yes, trigger: "manual" }, "m2", thread);
    expect(answer).toEqual({
      statusCode: 200,
      type: "application/vnd.microsoft.activity.message",
      value: "Approved PRO-1; running it now.",
    });
    expect(handlers.decisions).toMatchObject([{ verdict: "approve", message: { channel: thread, id: "m2" } }]);

    await presenter.showProposal({ ...pending({ state: "verified", outcome: "latency fell" }), nonce: null });
    await until("the update", () => JSON.stringify(messages.get("m2")).includes("Verified"));
    expect(actionsOf(cardIn("m2")).map(({ title }) => title)).toEqual(["Details"]);
    expect(await titles(ANA)).toEqual(["Details"]);
  });

  it("feedback: message/submitAction is a verdict", async () => {
    await presenter.showInvestigation(finished());
    await shown("investigation:INV-1");
    const value = { actionName: "feedback", actionValue: { reaction: "like", feedback: '{"feedbackText":"yes"}' } };
    expect(await invoke(BEN, "message/submitAction", value, "m1", thread)).toEqual({});
    expect(handlers.verdicts).toMatchObject([{ investigationId: "INV-1", verdict: "correct", missed: "yes" }]);
  });

  it("reactions: added and removed", async () => {
    await presenter.showInvestigation(finished());
    await shown("investigation:INV-1");
    await deliver(BEN, { type: "messageReaction", id: "r1", replyToId: "m1", reactionsAdded: [{ type: "angry" }] }, thread);
    await until("the vote", () => handlers.verdicts.length === 1);
    await deliver(BEN, { type: "messageReaction", id: "r2", replyToId: "m1", reactionsRemoved: [{ type: "angry" }] }, thread);
    await until("the retraction", () => handlers.verdicts.length === 2);
    expect(handlers.verdicts.map(({ verdict }) => verdict)).toEqual(["incorrect", null]);
  });

  it("an invoke that nobody knows is answered as not implemented", async () => {
    await adapter.processActivity({
      type: "invoke",
      name: "composeExtension/query",
      channelId: "msteams",
      conversation: { id: CHANNEL, tenantId: TENANT, conversationType: "channel" },
    } as unknown as Partial<Activity>);
    expect(adapter.getNextReply()).toMatchObject({ type: "invokeResponse", value: { status: 501 } });
  });
});
