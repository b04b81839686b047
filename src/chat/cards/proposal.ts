import { ASKED_ANEW, LONGEST_REASON, type Proposal, type ProposalState } from "../../domain/proposal.ts";
import type { ProposalView } from "../../flows/ports.ts";
import { signalName } from "../../flows/signals.ts";
import type { Button, Card, CardBlock, Stage, Tone } from "../card.ts";
import { asCode, clip, clock, clockSeconds, day, plain, quoted, share, span } from "../text.ts";

const HEADS: Readonly<Record<ProposalState, { readonly tone: Tone; readonly badge: string }>> = {
  draft: { tone: "working", badge: "Being prepared" },
  pending: { tone: "attention", badge: "Awaits approval" },
  approved: { tone: "working", badge: "Approved" },
  executing: { tone: "working", badge: "Executing" },
  verifying: { tone: "working", badge: "Verifying" },
  verified: { tone: "good", badge: "Verified" },
  denied: { tone: "quiet", badge: "Denied" },
  expired: { tone: "quiet", badge: "Expired" },
  cancelled: { tone: "quiet", badge: "Cancelled" },
  superseded: { tone: "quiet", badge: "Superseded" },
  stale: { tone: "quiet", badge: "Stale" },
  unknown: { tone: "bad", badge: "Needs your eyes" },
  rolling_back: { tone: "attention", badge: "Rolling back" },
  undone: { tone: "attention", badge: "Undone, being watched" },
  rolled_back: { tone: "attention", badge: "Rolled back" },
  rollback_failed: { tone: "bad", badge: "Undo failed" },
  failed: { tone: "bad", badge: "Failed" },
};

/** Of the exact arguments; absent: they ran. */
const RUNS: Readonly<Partial<Record<ProposalState, string>>> = {
  ...{ draft: "will run", pending: "will run", approved: "will run", executing: "runs" },
  ...{ denied: "would have run", expired: "would have run", cancelled: "would have run" },
  ...{ superseded: "would have run", stale: "would have run", failed: "was to run", unknown: "was to run" },
};

/**
 * A proposed action and all that becomes of it, always as one message. It is drawn from the stored proposal alone, so that what people
 * read is what will run; nothing that a model wrote stands where a fact should, and the model's reason is marked as such.
 */
export function proposalCard({ proposal, nonce }: ProposalView): Card {
  const { id, state, risk, rev, summary } = proposal;
  const head = HEADS[state];
  const open = state === "pending" && nonce !== null;
  const title = plain(summary, 200);
  return {
    kind: "proposal",
    id,
    subject: `proposal:${id}`,
    ...head,
    title,
    story: story(proposal, head.badge, title),
    body: body(proposal),
    folds: [
      { id: "risk", title: `Risk ${risk.tier}, ${risk.score} points`, open: false, blocks: riskBlocks(proposal) },
      {
        id: "exact",
        title: `Exactly what ${RUNS[state] ?? "ran"}`,
        open: false,
        blocks: [{ type: "code", text: exact(proposal) }],
      },
    ],
    buttons: open ? buttons(proposal, nonce, title) : [],
    ...(ASKED_ANEW.has(state) && nonce !== null ? { again: { proposalId: id, rev, nonce, label: "Propose it anew" } } : {}),
    feedback: null,
    context: [id, `revision ${rev}`, `digest ${proposal.digest.slice(0, 12)}`, `asked for by ${plain(proposal.requester, 80)}`],
  };
}

function body(proposal: Proposal): CardBlock[] {
  const { criterion, state, outcome } = proposal;
  const fields = [
    { name: "Change", markdown: `${asCode(proposal.currentState, 200)} → ${asCode(proposal.wantedState, 200)}` },
    { name: "Target", markdown: `${asCode(proposal.target, 120)} in ${asCode(proposal.environment, 60)}` },
    { name: "Risk", markdown: `**${proposal.risk.tier}** ${tierWords(proposal.risk.tier)}` },
    {
      name: "Counts as a success",
      markdown: criterion
        ? `${signalName(criterion.signal)} of ${asCode(criterion.service, 60)} ${criterion.direction === "down" ? "falls" : "rises"} by at least ${share(criterion.minimumEffect)} within ${span(criterion.window)}; when it does not, it is undone; when chance hides it, you are called`
        : "nobody has said: it will be left for you to judge",
    },
    { name: "Undo", markdown: quoted(proposal.undo, 300) },
    ...(state === "pending"
      ? [{ name: "Expires", markdown: `${lifeOf(proposal)} after it was posted, at ${clockSeconds(proposal.expiresAt)} UTC` }]
      : []),
    ...approvals(proposal),
  ];
  const blocks: CardBlock[] = [{ type: "fields", fields }];
  if (state === "pending" && proposal.reason)
    blocks.push({ type: "text", markdown: `*Why, in Vigil's words:* ${quoted(proposal.reason, 600)}` });
  if (outcome) blocks.push({ type: "text", markdown: `**${HEADS[state].badge}:** ${quoted(outcome, 600)}` });
  blocks.push({ type: "stages", stages: stages(proposal) });
  return blocks;
}

/** Who has approved, when and why, and what is still missing. */
function approvals(proposal: Proposal): { name: string; markdown: string }[] {
  const { approvals: given, neededApprovals, reasonNeeded = false, state } = proposal;
  const missing = neededApprovals - given.length;
  if (given.length === 0) {
    const each = reasonNeeded ? ", each with a reason that everyone reads" : "";
    return neededApprovals > 1 || state === "pending" ? [{ name: "Approvals", markdown: `0 of ${neededApprovals}${each}` }] : [];
  }
  const other = given.length === 1 ? "somebody else" : "others than these";
  const reason = missing > 1 ? ", each with a reason" : ", with a reason";
  return [
    ...given.map(({ user, at, reason: why }) => ({
      name: "Approved by",
      markdown: `${asCode(user, 80)} ${clock(at)} UTC${why ? `: “${quoted(why, LONGEST_REASON)}”` : ""}`,
    })),
    ...(state === "pending" && missing > 0
      ? [
          {
            name: "Still missing",
            markdown: `${missing} of ${neededApprovals} approvals, by ${other}${reasonNeeded ? reason : ""}`,
          },
        ]
      : []),
  ];
}

function buttons(proposal: Proposal, nonce: string, title: string): Button[] {
  const { id: proposalId, rev, risk } = proposal;
  return [
    {
      type: "approve",
      proposalId,
      rev,
      nonce,
      label: "Approve",
      tier: risk.tier,
      reason: proposal.reasonNeeded ?? false,
      expiresAt: proposal.expiresAt,
      confirm: {
        title: `Run this in ${plain(proposal.environment, 40) || "an unnamed environment"}?`,
        text: `${title}. Vigil verifies the effect and undoes it when it does not help.`,
      },
    },
    { type: "deny", proposalId, rev, nonce, label: "Deny" },
  ];
}

function riskBlocks({ risk }: Proposal): CardBlock[] {
  return [
    {
      type: "fields",
      fields: risk.lines.slice(0, 12).map(({ factor, value, points }) => ({
        name: plain(factor, 60),
        markdown: `${quoted(value, 160)} (${points > 0 ? `+${points}` : points})`,
      })),
    },
  ];
}

const tierWords = (tier: string): string =>
  ({
    T0: "reads only",
    T1: "small and reversible",
    T2: "production, reversible",
    T3: "wide or slow to undo",
    T4: "irreversible",
  })[tier] ?? "";

/**
 * The bytes that the approval binds, as a person can compare them. The arguments are JSON in plain ASCII and uncut: a look-alike letter or an
 * invisible one shows as its code, and what is read is what runs.
 */
function exact({ action, args, stages, target, environment, digest, createdAt, expiresAt }: Proposal): string {
  const line = (name: string, text: string) => `${name.padEnd(12)} ${plain(text, 1_000)}`;
  return [
    line("action", action),
    `${"arguments".padEnd(12)} ${asciiJson(args)}`,
    ...(stages ?? []).map(
      (stage, index) => `${`step ${index + 1}`.padEnd(12)} ${asciiJson(stage.args)} (${plain(stage.state, 200)})`,
    ),
    line("target", target),
    line("environment", environment),
    line("sha256", digest),
    line("proposed", `${day(createdAt)} ${clockSeconds(createdAt)} UTC`),
    line("expires", `${day(expiresAt)} ${clockSeconds(expiresAt)} UTC`),
  ].join("\n");
}

function asciiJson(value: unknown): string {
  const code = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[^\x20-\x7E]/g, code);
}

function story(proposal: Proposal, badge: string, title: string): string {
  const ask = proposal.state === "pending" ? ` Expires ${lifeOf(proposal)} after it was posted.` : "";
  const outcome = proposal.outcome ? ` ${plain(proposal.outcome, 120)}` : "";
  return clip(`${badge}: ${title}.${ask}${outcome}`, 200);
}

/** How long people have: told first, since telemetry beside it may have a clock of its own, as in the demo. */
const lifeOf = ({ createdAt, expiresAt }: Proposal): string => span(Math.max(0, expiresAt - createdAt));

const UNHELPFUL = "Did not help";

/** The walk of a proposal as people follow it. */
function stages({ state }: Proposal): Stage[] {
  const walk = (names: readonly string[], now: number, ending: Stage["state"] = "now"): Stage[] =>
    names.map((name, index) => {
      if (index === now) return { name, state: ending };
      return { name, state: index > now ? "ahead" : name === UNHELPFUL ? "failed" : "done" };
    });
  const usual = ["Proposed", "Approved", "Executed", "Verified"];
  switch (state) {
    case "draft":
    case "pending":
      return walk(["Proposed", "Approval", "Execution", "Verification"], 1);
    case "approved":
    case "executing":
      return walk(["Proposed", "Approved", "Execution", "Verification"], 2);
    case "verifying":
      return walk(["Proposed", "Approved", "Executed", "Verification"], 3);
    case "verified":
      return walk(usual, 4);
    case "rolling_back":
      return walk(["Proposed", "Approved", "Executed", UNHELPFUL, "Rolling back"], 4);
    case "undone":
      return walk(["Proposed", "Approved", "Executed", UNHELPFUL, "Undone", "Verification of the undo"], 5);
    case "rolled_back":
      return walk(["Proposed", "Approved", "Executed", UNHELPFUL, "Rolled back"], 5);
    case "rollback_failed":
      return walk(["Proposed", "Approved", "Executed", UNHELPFUL, "Undo failed"], 4, "failed");
    case "unknown":
      return walk(["Proposed", "Approved", "Executed", "Needs your eyes"], 3, "failed");
    case "failed":
      return walk(["Proposed", "Approved", "Failed"], 2, "failed");
    default:
      return walk(["Proposed", HEADS[state].badge], 1, "failed");
  }
}
