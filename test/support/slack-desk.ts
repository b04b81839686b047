import { toggleFeatureFlag } from "../../src/actions/catalogue/toggle-feature-flag.ts";
import type { ActionContext } from "../../src/actions/index.ts";
import { Presenter } from "../../src/chat/presenter.ts";
import { userGroup } from "../../src/chat/slack/group.ts";
import { type SlackOptions, slackSurface } from "../../src/chat/slack/index.ts";
import type { Surface } from "../../src/chat/surface.ts";
import type { Proposal, ProposalRequest } from "../../src/domain/proposal.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { type ApproverRules, Approvers } from "../../src/flows/approvers.ts";
import { runCommand } from "../../src/flows/command.ts";
import { takeDecision } from "../../src/flows/decision.ts";
import type { ChatHandlers, IncomingQuestion, Reply } from "../../src/flows/ports.ts";
import { verdictOf } from "../../src/flows/verdict.ts";
import type { AuditTable } from "../../src/store/audit.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { actionsOver } from "./actions-over.ts";
import { answer, finished, home } from "./chat-samples.ts";
import { silentLog, until } from "./fake-handlers.ts";
import { FakeSlack, type SlackPost } from "./fake-slack.ts";
import { FakeFlags, steppedMetrics } from "./fake-targets.ts";

export const GROUP = "S0ONCALL";

/**
 * Slack from the click to the flag: the real surface, outbox, approvers, gate and executor on a real database, with a fake Slack and a flag in
 * memory. Time passes only when the test says so. U1ANA and U2BEN are approvers by their user group.
 */
export async function slackDesk(
  options: {
    readonly file?: string;
    readonly context?: Partial<ActionContext>;
    readonly rules?: (slack: FakeSlack) => ApproverRules;
    readonly slack?: Partial<SlackOptions>;
    readonly ask?: (question: IncomingQuestion, reply: Reply) => Promise<void>;
    readonly flags?: FakeFlags;
    readonly fake?: FakeSlack;
    /** Further chats beside Slack, and who approves there. */
    readonly others?: (parts: { readonly store: ConversationRepository; readonly db: StateDatabase }) => readonly Surface[];
    readonly otherRules?: Readonly<Record<string, ApproverRules>>;
  } = {},
) {
  const fake = options.fake ?? (await FakeSlack.start());
  fake.groups.set(GROUP, ["U1ANA", "U2BEN"]);
  const flags = options.flags ?? new FakeFlags();
  const START = Date.now();
  const clocks = { telemetry: START, wall: START };
  let loweredAt: number | null = null;
  const db = await openStateDatabase(options.file ?? ":memory:");
  const store = new ConversationRepository(db);
  const rules = options.rules?.(fake) ?? {
    users: new Set<string>(),
    members: userGroup({ token: "xoxb-test", groups: [GROUP], apiUrl: fake.apiUrl }),
  };
  const approvers = new Approvers({ rules: { slack: rules, ...options.otherRules }, now: () => clocks.wall });
  const actions = actionsOver(
    db,
    { telemetry: () => clocks.telemetry, wall: () => clocks.wall },
    {
      catalogue: [toggleFeatureFlag(flags)],
      flags,
      metrics: steppedMetrics((at) => (loweredAt !== null && at >= loweredAt ? 0.1 : 0.115)),
      isApprover: (actor, proposal) => approvers.mayApprove(actor, proposal),
      ...options.context,
    },
  );
  const surface: Surface = slackSurface({
    botToken: "xoxb-test",
    appToken: "xapp-test",
    channel: "C0INC",
    apiUrl: fake.apiUrl,
    store,
    gap: 1,
    emoji: { tiers: actions.emojiTiers },
    log: silentLog,
    ...options.slack,
  });
  const surfaces = [surface, ...(options.others?.({ store, db }) ?? [])];
  const presenter = new Presenter({ surfaces, store, log: silentLog });
  actions.onChange((proposal) => {
    if (proposal.state === "verifying") loweredAt ??= clocks.telemetry;
    const show = async () => {
      await presenter.showProposal({ proposal, nonce: actions.nonceFor(proposal) });
      const verdict = verdictOf(proposal);
      if (verdict) await presenter.tell(proposal.investigationId, verdict);
    };
    void show();
  });
  const actor = (user: { surface: string; id: string }) => `${user.surface}:${user.id}`;
  const handlers: ChatHandlers = {
    ask: options.ask ?? ((_question, reply) => reply.answer(answer())),
    decide: (decision) =>
      takeDecision(
        {
          isCardOf: (id, on, message) => presenter.isCardOf(id, on, message),
          decide: (request) => actions.decide(request),
          again: (request) => actions.again(request),
        },
        decision,
      ),
    feedback: async () => ({ accepted: true, text: "Noted." }),
    cancel: async () => undefined,
    command: (text, user) =>
      runCommand(
        {
          status: async () => ({
            stopped: (await actions.stopReason()) !== null,
            mind: "a model that is down",
            watchedSeries: 1,
            runningInvestigations: [],
            pendingProposals: await actions.list({ states: ["pending"] }),
            telemetryTime: new Date(clocks.telemetry).toISOString(),
          }),
          stop: (who, reason) => actions.stop(actor(who), reason),
          resume: (who) => actions.resume(actor(who)),
          services: async () => ["shelf"],
          investigate: async () => "INV-2",
          report: async () => "nothing yet",
        },
        text,
        user,
      ),
    home: async () => home({ stopped: await actions.stopReason() }),
    refused: ({ kind, actor: who, subject, reason }) => actions.audit({ actor: who, kind, subject, data: { reason } }),
  };
  for (const each of surfaces) await each.start(handlers);

  const wish = (changed: Partial<ProposalRequest> = {}) =>
    actions.file({
      action: "toggle_feature_flag",
      args: { flag: "new-layout", percent: 0 },
      reason: "because",
      expectedEffect: "latency goes down",
      watch: { service: "shelf", signal: "latency", direction: "down", since: START - 30 * MINUTE },
      confidence: 0.9,
      investigationId: "INV-1",
      requester: "vigil",
      ...changed,
    });
  const cardOf = (proposal: Pick<Proposal, "id">): Promise<SlackPost> =>
    until("the proposal's card", async () => {
      const ref = await store.ref(`proposal:${proposal.id}`, "slack");
      return ref && fake.posts.find(({ ts }) => ts === ref.message);
    });
  /** Files a proposal and waits for its card. */
  const proposed = async (changed: Partial<ProposalRequest> = {}) => {
    await presenter.showInvestigation(finished());
    const filed = await wish(changed);
    if (!filed.ok) throw new Error(filed.refusal);
    return { proposal: filed.proposal, card: await cardOf(filed.proposal) };
  };
  return {
    slack: fake,
    db,
    store,
    flags,
    clocks,
    actions,
    approvers,
    handlers,
    surface,
    presenter,
    wish,
    proposed,
    cardOf,
    state: async (proposal: Pick<Proposal, "id">) => (await actions.get(proposal.id))?.state,
    audit: async (): Promise<AuditTable[]> => db.selectFrom("audit").selectAll().orderBy("seq").execute(),
    /** Lets telemetry time pass and the executor look. */
    passes: async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute++) {
        clocks.telemetry += MINUTE;
        await actions.settle();
      }
    },
    /** Waits until what a person was told privately contains these words. */
    told: (user: string, words: string) =>
      until(`${user} to be told "${words}"`, () => fake.ephemerals.find((one) => one.user === user && one.text.includes(words))),
    close: async (keepSlack = false) => {
      await presenter.close();
      for (const each of surfaces) await each.stop();
      await actions.close();
      await db.destroy();
      if (!keepSlack) await fake.stop();
    },
  };
}

export type SlackDesk = Awaited<ReturnType<typeof slackDesk>>;
