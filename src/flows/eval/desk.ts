import { rollBackDeploy } from "../../actions/catalogue/roll-back-deploy.ts";
import { toggleFeatureFlag } from "../../actions/catalogue/toggle-feature-flag.ts";
import { type DeployState, type DeployTarget, type FlagProvider, type FlagState, TargetError } from "../../actions/ports.ts";
import type { CausalTester, ProposalDesk } from "../../agent/types.ts";
import type { Proposal, ProposalRequest } from "../../domain/proposal.ts";
import type { ChangeEvent } from "../../domain/telemetry.ts";
import type { Scenario } from "./scenario.ts";
import { percentOf } from "./simulate.ts";

const RECORDED = "This is a recording: nothing can be changed in it.";
const refuse = async (): Promise<never> => {
  throw new TargetError(RECORDED, { outcomeUnknown: false });
};

/** Flags as the recorded changes left them, read-only. */
function recordedFlags(changes: readonly ChangeEvent[]): FlagProvider {
  const states = new Map<string, FlagState>();
  for (const one of changes.filter(({ kind }) => kind === "flag").sort((a, b) => a.at - b.at)) {
    const percent = percentOf(one.after) * 100;
    const { subject: key, summary: description, services, after } = one;
    states.set(key, { key, description, enabled: percent > 0, percent, pinnedOff: [], services, fingerprint: after });
  }
  return {
    environment: "production",
    list: async () => [...states.values()],
    get: async (key) => states.get(key) ?? null,
    snapshot: async (key) => JSON.stringify(states.get(key) ?? null),
    setPercent: refuse,
    setEnabled: refuse,
    pinCohort: refuse,
    restore: refuse,
  };
}

/** Versions as the recorded changes left them, read-only. */
function recordedDeploys(changes: readonly ChangeEvent[]): DeployTarget {
  const states = new Map<string, DeployState>();
  for (const one of changes.filter(({ kind }) => kind === "deploy").sort((a, b) => a.at - b.at)) {
    const { subject: service, after: version, before: previousVersion, reference } = one;
    states.set(service, { service, environment: "production", version, previousVersion, reference, fingerprint: version });
  }
  return {
    environment: "production",
    list: async () => [...states.values()],
    get: async (service) => states.get(service) ?? null,
    rollBack: refuse,
    setVersion: refuse,
  };
}

export interface RecordedDesk extends ProposalDesk {
  readonly filed: readonly { readonly request: ProposalRequest; readonly target: string }[];
}

/** The catalogue's own actions, planned against the recorded targets; proposals are kept and never carried out. */
export function recordedDesk(changes: readonly ChangeEvent[]): RecordedDesk {
  const catalogue = [toggleFeatureFlag(recordedFlags(changes)), rollBackDeploy(recordedDeploys(changes))];
  const filed: { request: ProposalRequest; target: string }[] = [];
  return {
    filed,
    actions: catalogue.map(({ name, description, schema }) => ({ name, description, schema })),
    async file(request) {
      const action = catalogue.find(({ name }) => name === request.action);
      if (!action) return { ok: false, refusal: `There is no action ${request.action}.` };
      try {
        const plan = await action.plan(request.args as never);
        filed.push({ request, target: plan.target.replace(/^\w+:/, "") });
        return { ok: true, proposal: proposalOf(`P${filed.length}`, request, plan) };
      } catch (error) {
        return { ok: false, refusal: error instanceof Error ? error.message : String(error) };
      }
    },
  };
}

function proposalOf(
  id: string,
  request: ProposalRequest,
  plan: Awaited<ReturnType<ReturnType<typeof toggleFeatureFlag>["plan"]>>,
): Proposal {
  return {
    id,
    rev: 1,
    state: "pending",
    action: request.action,
    args: request.args,
    target: plan.target,
    environment: plan.environment,
    risk: { tier: "T2", score: 0, lines: [] },
    summary: `${plan.target}: ${plan.currentState} → ${plan.wantedState}`,
    currentState: plan.currentState,
    wantedState: plan.wantedState,
    undo: plan.undo,
    reason: request.reason,
    expectedEffect: request.expectedEffect,
    criterion: null,
    digest: "recorded",
    requester: request.requester,
    investigationId: request.investigationId,
    neededApprovals: 1,
    approvals: [],
    createdAt: 0,
    expiresAt: 0,
    outcome: null,
  };
}

/** Answers a causal test from how the scenario was made: the flag is causal when an effect is on it, and never when none is. */
export function recordedTester(scenario: Scenario): CausalTester {
  return {
    candidates: async () =>
      scenario.testable.map((flag) => {
        const last = scenario.changes.filter(({ subject }) => subject === flag).sort((a, b) => b.at - a.at)[0];
        return { flag, services: last?.services ?? [], percent: percentOf(last?.after ?? "") * 100 };
      }),
    async run({ flag, service, signal }) {
      const effect = scenario.world?.effects.find(({ on }) => on === flag);
      const better = effect ? 1 / (effect.latency ?? 1.2) - 1 : 0.002;
      return {
        ok: true,
        result: {
          flag,
          service,
          signal,
          testMean: 0.1 * (1 + better),
          controlMean: 0.1,
          effect: better,
          interval: [better - 0.02, better + 0.02],
          pValue: effect ? 0.0004 : 0.71,
          samples: { test: 240, control: 960 },
          verdict: effect ? "causal" : "not_causal",
          restored: true,
        },
      };
    },
  };
}
