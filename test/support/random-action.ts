import type { z } from "zod";
import type { Action } from "../../src/actions/catalogue/action.ts";
import { DEFAULT_POLICY } from "../../src/actions/index.ts";
import type { Proposal } from "../../src/domain/proposal.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { actionsOver } from "./actions-over.ts";
import { steppedMetrics } from "./fake-targets.ts";
import { seededRandom } from "./synthetic-metrics.ts";

const LETTERS = [..."abcXYZ019 -_.:/\\\"'`<>&*[]{}|~#@!?%", "é", "ß", "а", "日", "🦩", "\u200B", "\u202E", "\n", "\t", "\u0000"];

/** The real gate and executor with one action whose arguments are random, and which remembers what it was run with. */
export async function actionHarness(schema: z.ZodObject, seed: number) {
  const random = seededRandom(4_600 + seed);
  const word = (longest: number) =>
    Array.from({ length: Math.floor(random() * longest) }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join("");
  let executed: unknown = null;
  let executions = 0;
  const action: Action = {
    name: "set_anything",
    description: "Sets anything.",
    schema,
    reversibility: "instant",
    plan: async (args) => ({
      target: `thing:${executions}`,
      environment: "test",
      services: ["shelf"],
      currentState: "before",
      wantedState: JSON.stringify(args).slice(0, 40),
      undo: "put back",
      trafficShare: 0,
      stateful: false,
      preState: "same",
      snapshot: "same",
    }),
    execute: async (args) => {
      executed = args;
      executions++;
    },
    inspect: async () => ({ at: "wanted", fingerprint: "after" }),
    rollBack: async () => undefined,
  };
  const db = await openStateDatabase(":memory:");
  let now = Date.UTC(2026, 10, 24, 3);
  const limits = { ...DEFAULT_POLICY.limits, perDay: 1_000_000, perTargetPerHour: 1_000_000, pendingAtOnce: 1_000_000 };
  const actions = actionsOver(
    db,
    { telemetry: () => now, wall: () => now },
    {
      catalogue: [action],
      flags: null,
      metrics: steppedMetrics(() => 0.1),
      policy: { ...DEFAULT_POLICY, limits },
      catalog: async () => [],
      isApprover: async () => true,
    },
  );
  return {
    executions: () => executions,
    file: async (index: number): Promise<Proposal> => {
      // Each in a day of its own, so that no limit speaks.
      now += 25 * 60 * MINUTE;
      const args = {
        key: `${index}-${word(40)}`,
        percent: random() < 0.5 ? Math.floor(random() * 101) : random() * 100,
        note: word(60),
        list: Array.from({ length: Math.floor(random() * 4) }, () => word(12)),
        deep: { on: random() < 0.5 },
      };
      const filed = await actions.file({
        action: action.name,
        args,
        reason: word(80),
        expectedEffect: "",
        watch: null,
        confidence: 0.9,
        investigationId: "INV-1",
        requester: "vigil",
      });
      if (!filed.ok) throw new Error(filed.refusal);
      return filed.proposal;
    },
    approve: async (proposal: Proposal): Promise<unknown> => {
      const outcome = await actions.decide({
        proposalId: proposal.id,
        rev: proposal.rev,
        nonce: actions.nonceFor(proposal) ?? "",
        verdict: "approve",
        reason: null,
        actor: "slack:U1ANA",
        name: "Ana",
        via: "button",
      });
      if (!outcome.accepted) throw new Error(outcome.text);
      await actions.settle();
      return executed;
    },
    close: async () => {
      await actions.close();
      await db.destroy();
    },
  };
}
