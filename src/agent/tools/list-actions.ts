import { z } from "zod";
import type { Proposal, ProposalState } from "../../domain/proposal.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import { defineTool, type ToolResult } from "./kit.ts";

const SHOWN = 8;

/** What became of a proposal, after its id. */
const BECAME: Readonly<Record<ProposalState, string>> = {
  draft: "is being prepared",
  pending: "awaits approval on its card",
  approved: "is approved and about to run",
  executing: "is running",
  verifying: "ran and is being watched",
  verified: "ran, and its effect is verified",
  denied: "was denied, nothing has run",
  expired: "expired without approval, nothing has run",
  cancelled: "was cancelled",
  superseded: "was replaced by another",
  stale: "was dropped, because things had moved since it was proposed",
  unknown: "was sent, and nobody can tell whether it took effect: look at its target",
  rolling_back: "is being undone",
  undone: "was undone and is being watched",
  rolled_back: "was undone",
  rollback_failed: "could not be undone: look at its target",
  failed: "failed",
};

/** `PRO-1 (flag … 28% → 1%) ran, and its effect is verified: latency fell by 8 %`, without a full stop. */
export function becameOf({ id, summary, state, outcome }: Proposal): string {
  const clean = (text: string, most: number) => cleanUntrusted(text, most).text.replace(/[.\s]+$/, "");
  return `${id} (${clean(summary, 200)}) ${BECAME[state]}${outcome ? `: ${clean(outcome, 300)}` : ""}`;
}

export const listActions = defineTool({
  name: "list_actions",
  description:
    "What Vigil proposed and did about the incident in question, each action with its state and outcome: pending, denied, verified, undone. For what did you do, did it help, undo it.",
  schema: z.object({}),
  cached: false,
  title: () => "What was proposed and done?",
  async run(_, { deps, about }): Promise<ToolResult> {
    const proposals = about
      ? ((await deps.proposalsOf?.(about)) ?? [])
      : ((await deps.openCases?.()) ?? []).flatMap((one) => one.proposals);
    const shown = proposals.toSorted((a, b) => b.createdAt - a.createdAt).slice(0, SHOWN);
    return {
      evidence: {
        title: "Actions",
        summary:
          shown.length === 0
            ? "No action was proposed."
            : [
                `${proposals.length} action${proposals.length === 1 ? " was" : "s were"} proposed.`,
                ...shown.map((one) => `- ${becameOf(one)}.`),
                ...(proposals.length > SHOWN ? [`${proposals.length - SHOWN} older ones were cut.`] : []),
              ].join("\n"),
        facts: Object.fromEntries([["actions", proposals.length], ...shown.map(({ id, state }) => [`${id}.state`, state])]),
        services: [...new Set(shown.flatMap(({ services }) => services ?? []))],
        link: null,
        suspicious: false,
      },
      details: { kind: "actions", proposals: shown },
    };
  },
});
