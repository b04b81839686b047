import { rollBackDeploy } from "../../src/actions/catalogue/roll-back-deploy.ts";
import { toggleFeatureFlag } from "../../src/actions/catalogue/toggle-feature-flag.ts";
import { turnOffFeatureFlag } from "../../src/actions/catalogue/turn-off-feature-flag.ts";
import type { ActionContext, Actions } from "../../src/actions/index.ts";
import type { Proposal } from "../../src/domain/proposal.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { ExperimentRepository } from "../../src/store/experiments.ts";
import { ProposalRepository } from "../../src/store/proposals.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { SwitchRepository } from "../../src/store/switches.ts";
import { actionsOver } from "./actions-over.ts";
import { FakeFlags, noDeploys, steppedMetrics } from "./fake-targets.ts";

export const START = Date.UTC(2026, 10, 24, 3);

export interface WorldOptions {
  /** The signal's level at a time, given when the flag was changed (null: not then, or it was undone); null: no data. */
  readonly latency?: (at: number, changedAt: number | null) => number | null;
  readonly context?: Partial<ActionContext>;
  readonly file?: string;
  readonly flags?: FakeFlags;
}

/** A world in which time passes only when the test says so: the real actions over a real SQLite (in memory unless a file is named), and one flag in memory. */
export async function actionWorld(options: WorldOptions = {}) {
  const flags = options.flags ?? new FakeFlags();
  const clocks = { telemetry: START, wall: START };
  const pages: string[] = [];
  let changedAt: number | null = null;
  let undoneAt = Number.POSITIVE_INFINITY;
  const latency = options.latency ?? ((at, changed) => (changed !== null && at >= changed ? 0.1 : 0.115));
  const file = options.file ?? ":memory:";
  const db = await openStateDatabase(file);
  const store = new ProposalRepository(db, () => clocks.wall);
  const switches = new SwitchRepository(db);
  const experiments = new ExperimentRepository(db, () => clocks.wall);
  const shown: Proposal[] = [];
  const actions = actionsOver(
    db,
    { telemetry: () => clocks.telemetry, wall: () => clocks.wall },
    {
      store,
      switches,
      experiments,
      catalogue: [toggleFeatureFlag(flags), turnOffFeatureFlag(flags), rollBackDeploy(noDeploys)],
      flags,
      metrics: steppedMetrics((at) => latency(at, at < undoneAt ? changedAt : null)),
      graph: async () => ({ nodes: ["front", "shelf"], edges: [{ caller: "front", callee: "shelf", calls: 9 }] }),
      isApprover: async (actor) => actor.startsWith("web:"),
      page: async (proposal, why) => {
        pages.push(`${proposal.id}: ${why}`);
      },
      targetTimeout: 50,
      ...options.context,
    },
  );
  actions.onChange((proposal) => {
    shown.push(proposal);
    if (proposal.state === "verifying") changedAt ??= clocks.telemetry;
    if (proposal.state === "undone") undoneAt = Math.min(undoneAt, clocks.telemetry);
  });
  const fileWish = (args: object = { flag: "new-layout", percent: 0 }, more: Partial<Parameters<Actions["file"]>[0]> = {}) =>
    actions.file({
      action: "toggle_feature_flag",
      args: args as Record<string, unknown>,
      reason: "because",
      expectedEffect: "latency goes down",
      watch: { service: "shelf", signal: "latency", direction: "down", since: START - 30 * MINUTE },
      confidence: 0.9,
      investigationId: "INV-1",
      requester: "vigil",
      ...more,
    });
  const proposed = async (...wish: Parameters<typeof fileWish>) => {
    const filed = await fileWish(...wish);
    if (!filed.ok) throw new Error(filed.refusal);
    return filed.proposal;
  };
  const click = (proposal: Proposal, more: Partial<Parameters<Actions["decide"]>[0]> = {}) =>
    actions.decide({
      proposalId: proposal.id,
      rev: proposal.rev,
      nonce: actions.nonceFor(proposal) ?? "",
      verdict: "approve",
      reason: null,
      actor: "web:maya",
      name: "Maya",
      via: "button",
      ...more,
    });
  const state = async (proposal: Proposal) => (await actions.get(proposal.id))?.state;
  const outcome = async (proposal: Proposal) => (await actions.get(proposal.id))?.outcome;
  /** Telemetry and wall clock go on by minutes, and everything in flight is looked at after each. */
  const passes = async (minutes: number) => {
    for (let minute = 0; minute < minutes; minute++) {
      clocks.telemetry += MINUTE;
      clocks.wall += MINUTE;
      await actions.settle();
    }
  };
  return {
    actions,
    clocks,
    db,
    file,
    flags,
    store,
    switches,
    experiments,
    shown,
    pages,
    fileWish,
    proposed,
    click,
    state,
    outcome,
    passes,
  };
}

export type ActionWorld = Awaited<ReturnType<typeof actionWorld>>;
