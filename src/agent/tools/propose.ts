import { z } from "zod";
import { cleaned } from "../../domain/untrusted.ts";
import { selectAction } from "../action-selector.ts";
import type { ProposableAction } from "../types.ts";
import { knownService, type ReadTool, type ToolResult, ToolUseError } from "./kit.ts";
import { RED_SIGNALS } from "./query-metrics.ts";

/** What every proposal must say besides the action's own arguments. Names do not collide with a catalogue's. */
const backing = {
  reason: z.string().min(10).max(500).describe("why, in one or two sentences for the person who approves"),
  expectedEffect: z.string().min(5).max(300).describe("what should get better, and by how much"),
  watchService: z.string().max(200).describe("service whose signal shows success"),
  watchSignal: z.enum(RED_SIGNALS),
  watchDirection: z.enum(["down", "up"]),
  confidence: z.number().min(0).max(1).describe("of the hypothesis that this rests on"),
  evidence: z.array(z.string()).min(1).max(12).describe("ids of the evidence that backs it, at least one of them a measurement"),
};

const BACKING_KEYS = new Set(Object.keys(backing));

/** A tool for one action of the catalogue. It files a proposal for people to decide; nothing here executes. */
export function proposalTool(action: ProposableAction): ReadTool {
  return {
    name: action.name,
    description: `Files a proposal: ${action.description} People approve or deny it; it is not executed by this call.`,
    schema: action.schema.extend(backing),
    timeout: null,
    replayed: false,
    title: () => `Propose ${action.name.replaceAll("_", " ")}`,
    async run(given, session): Promise<ToolResult> {
      const args = Object.fromEntries(
        Object.entries(given).filter(([key]) => !BACKING_KEYS.has(key) || key in action.schema.shape),
      );
      const parsed = action.schema.safeParse(args);
      if (!parsed.success)
        throw new ToolUseError(`Arguments of ${action.name}: ${parsed.error.issues.map(({ message }) => message).join("; ")}.`);
      const stated = z.object(backing).parse(given);
      const selected = selectAction({ action: action.name, args: parsed.data, evidence: stated.evidence }, session.findings);
      if (!selected.ok) throw new ToolUseError(selected.refusal);
      const { kind, id: changeId } = selected.change;
      const service = await knownService(stated.watchService, session);
      const blamed = session.ledger.hypotheses.find((one) => one.changeId === changeId);
      const blame = blamed ?? { cause: kind === "flag" ? "flag" : "deploy", service: null, changeId };
      const outcome = await session.deps.desk.file({
        action: action.name,
        args: parsed.data,
        reason: cleaned(stated.reason),
        expectedEffect: cleaned(stated.expectedEffect),
        watch: { service, signal: stated.watchSignal, direction: stated.watchDirection, since: session.focus.onset },
        confidence: session.deps.learned.calibrate(stated.confidence, blame),
        investigationId: session.investigationId,
        requester: session.requester,
      });
      const common = { services: [service], link: null, suspicious: false };
      if (!outcome.ok) {
        return {
          evidence: {
            ...common,
            title: `${action.name} was refused`,
            summary: `Refused: ${outcome.refusal}`,
            facts: { refused: true },
          },
          details: { kind: "proposal", proposal: null, refusal: outcome.refusal },
        };
      }
      const { proposal } = outcome;
      session.proposals.push(proposal.id);
      return {
        evidence: {
          ...common,
          title: `Proposal ${proposal.id}`,
          summary: `${proposal.id} is ${proposal.state}: ${proposal.summary}. Undo: ${proposal.undo}`,
          facts: { proposal: proposal.id, state: proposal.state, risk: proposal.risk.tier, target: proposal.target },
        },
        details: { kind: "proposal", proposal, refusal: null },
      };
    },
  };
}
