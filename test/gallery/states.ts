import type { Card } from "../../src/chat/card.ts";
import { answerCard, note, workingCard } from "../../src/chat/cards/answer.ts";
import { investigationCard } from "../../src/chat/cards/investigation.ts";
import { proposalCard } from "../../src/chat/cards/proposal.ts";
import { ASKED_ANEW, type ProposalState } from "../../src/domain/proposal.ts";
import {
  answer,
  finished,
  forecast,
  fullReport,
  HOSTILE,
  investigation,
  pending,
  proposal,
  running,
} from "../support/chat-samples.ts";

/** One card in one state, as the gallery shows it. */
export interface GalleryState {
  readonly group: "Investigation" | "Proposal" | "Answer" | "Note";
  readonly name: string;
  readonly card: Card;
}

const OUTCOMES: Readonly<Partial<Record<ProposalState, string>>> = {
  verified: "latency of storefront fell by 9.4 % (95 % interval −11.2 % to −7.6 %) within 6 min.",
  rolled_back: "latency did not fall within 15 min, so the flag was put back to 28 %.",
  rolling_back: "latency did not fall within 15 min; the flag is being put back.",
  rollback_failed: "The flag provider answered 503 three times. It stands at 1 %; look at it now.",
  failed: "The flag provider refused: 403. Nothing was changed.",
  unknown: "No answer came from the flag provider, and reading it back failed. It may stand at 28 % or at 1 %.",
  denied: "Denied by Ben: the sale begins in ten minutes.",
  expired: "Nobody decided in time.",
  cancelled: "Stopped by Ana: too risky tonight.",
  superseded: "A newer proposal for the same target took its place.",
  stale: "The flag moved to 35 % since this was proposed; I look again.",
};

const STATES: readonly ProposalState[] = [
  "pending",
  "approved",
  "executing",
  "verifying",
  "verified",
  "rolling_back",
  "undone",
  "rolled_back",
  "rollback_failed",
  "unknown",
  "failed",
  "denied",
  "expired",
  "cancelled",
  "superseded",
  "stale",
];

/** Every card in every state, with the samples of the tests. */
export function galleryStates(now: number): GalleryState[] {
  const approvals = [{ user: "slack:U1ANA", at: now - 40_000 }];
  const reasoned = [{ user: "slack:U1ANA", at: now - 40_000, reason: "checkout errors rose with 7.4.0 and with nothing else" }];
  const votes = (["correct", "correct", "partly"] as const).map((verdict, index) => ({
    investigationId: "INV-1",
    user: `slack:U${index}`,
    verdict,
    realCause: null,
    missed: null,
    actionEffective: null,
    via: "button" as const,
    at: now,
  }));
  const unknown = fullReport({
    headline: "storefront latency is +12 %, and I do not know why: three causes are ruled out, none is borne out.",
    outcome: "unknown",
    confidence: 0.31,
    causalTest: null,
    proposals: [],
  });
  const investigations: GalleryState[] = [
    {
      group: "Investigation",
      name: "just opened",
      card: investigationCard({ ...running(), investigation: investigation({ steps: [] }) }),
    },
    { group: "Investigation", name: "running", card: investigationCard(running()) },
    { group: "Investigation", name: "cause found", card: investigationCard(finished()) },
    { group: "Investigation", name: "cause found, judged", card: investigationCard({ ...finished(), feedback: votes }) },
    {
      group: "Investigation",
      name: "may be noise",
      card: investigationCard(finished({ real: { chance: 0.35, raw: 0.4, like: 4, noise: 3 }, causalTest: null })),
    },
    { group: "Investigation", name: "cause unknown", card: investigationCard(finished(unknown)) },
    {
      group: "Investigation",
      name: "nothing wrong",
      card: investigationCard(
        finished({
          outcome: "nothing_wrong",
          headline: "storefront is as usual: the change is the weekly batch.",
          causalTest: null,
          proposals: [],
        }),
      ),
    },
    {
      group: "Investigation",
      name: "failed",
      card: investigationCard({ ...running(), investigation: investigation({ state: "failed" }) }),
    },
    {
      group: "Investigation",
      name: "stopped",
      card: investigationCard({ ...running(), investigation: investigation({ state: "cancelled" }) }),
    },
    {
      group: "Investigation",
      name: "hostile text",
      card: investigationCard(finished({ headline: HOSTILE, nextChecks: [HOSTILE] })),
    },
  ];
  const proposals = STATES.map((state): GalleryState => {
    const approved = !["pending", "denied", "expired", "cancelled", "superseded"].includes(state);
    const one = proposal({
      state,
      outcome: OUTCOMES[state] ?? null,
      approvals: approved ? approvals : [],
      createdAt: now,
      expiresAt: now + 300_000,
    });
    return {
      group: "Proposal",
      name: state.replaceAll("_", " "),
      card: proposalCard({
        proposal: one,
        nonce: state === "pending" || ASKED_ANEW.has(state) ? "nonce-of-22-characters" : null,
      }),
    };
  });
  const wide = {
    risk: { tier: "T3" as const, score: 12, lines: proposal().risk.lines },
    neededApprovals: 2,
    reasonNeeded: true,
    summary: "deploy checkout in production: 7.4.0 → 7.3.2",
  };
  return [
    ...investigations,
    ...proposals,
    { group: "Proposal", name: "two approvals with reasons needed", card: proposalCard(pending(wide)) },
    {
      group: "Proposal",
      name: "two approvals with reasons needed, one given",
      card: proposalCard(pending({ ...wide, approvals: reasoned })),
    },
    {
      group: "Proposal",
      name: "approved by two, with their reasons",
      card: proposalCard({
        proposal: proposal({
          ...wide,
          state: "verified",
          outcome: OUTCOMES.verified ?? null,
          approvals: [...reasoned, { user: "teams:ben", at: now - 20_000, reason: "agreed; the sale begins at ten" }],
        }),
        nonce: null,
      }),
    },
    {
      group: "Proposal",
      name: "hostile text",
      card: proposalCard(
        pending({
          summary: HOSTILE,
          reason: HOSTILE,
          undo: HOSTILE,
          reasonNeeded: true,
          neededApprovals: 2,
          approvals: [{ user: "slack:U1ANA", at: now, reason: HOSTILE }],
        }),
      ),
    },
    { group: "Answer", name: "looking", card: workingCard("m1", investigation().steps) },
    { group: "Answer", name: "short", card: answerCard("m2", answer()) },
    {
      group: "Answer",
      name: "with an investigation",
      card: answerCard(
        "m3",
        answer("Most likely the flag **catalog-cache-v2-keys** [E1].\n- raised 28 % at 02:38\n- nothing else moved", {
          report: fullReport(),
        }),
      ),
    },
    { group: "Answer", name: "hostile text", card: answerCard("m4", answer(HOSTILE)) },
    {
      group: "Note",
      name: "verdict",
      card: {
        ...note("**Verified.** latency of storefront fell by 9.4 % after PRO-1. Was the hypothesis right?", "good"),
        subject: "note:1",
      },
    },
    {
      group: "Note",
      name: "a disk that will be full",
      card: {
        ...note(
          "⏳ orders-db: node_filesystem_avail_bytes (mountpoint=/var/lib/postgresql) is at 81 % and will be full about 16:05 UTC, in 13.4 h (80 %: 12.6 h to 14.3 h), if it goes on as it has since 02:41 UTC: +1.4 points an hour.",
          "quiet",
          forecast(),
        ),
        subject: "note:3",
      },
    },
    {
      group: "Note",
      name: "apology",
      card: {
        ...note("I could not answer that; the reason was logged. Ask again, or type `/vigil status`.", "attention"),
        subject: "note:2",
      },
    },
  ];
}
