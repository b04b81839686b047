import { describe, expect, it } from "vitest";
import type { Plan } from "../../../src/actions/catalogue/action.ts";
import { DEFAULT_POLICY, loadPolicy, type Policy, parsePolicy } from "../../../src/actions/index.ts";
import { limitReached, type Run } from "../../../src/actions/limits.ts";
import { assessRisk, type RiskInput } from "../../../src/actions/risk.ts";
import { frozen, rule, within } from "../../../src/actions/ruling.ts";
import { HOUR, MINUTE } from "../../../src/domain/time.ts";
import { actionWorld } from "../../support/action-world.ts";

const NOW = Date.UTC(2026, 10, 24, 3);
const plan: Plan = {
  target: "flag:new-layout",
  environment: "production",
  services: ["shelf"],
  currentState: "25% on",
  wantedState: "0% on",
  undo: "restore",
  trafficShare: 0.25,
  stateful: false,
  preState: "p",
  snapshot: "s",
};
const known: RiskInput = {
  plan,
  reversibility: "instant",
  graph: { nodes: ["front", "shelf"], edges: [{ caller: "front", callee: "shelf", calls: 9 }] },
  catalog: [{ name: "shelf", description: "", owner: "books", tier: 2, dependsOn: [] }],
  confidence: 0.9,
  severity: "warning",
  concurrent: 0,
  policy: parsePolicy({ workingHours: { days: ["tue"], from: "00:00", to: "24:00" } }, "of the test"),
  at: NOW,
};
const risk = (changed: Partial<RiskInput> = {}) => assessRisk({ ...known, ...changed });
const withPlan = (changed: Partial<Plan>) => risk({ plan: { ...plan, ...changed } });
const subject = { action: "toggle_feature_flag", ...plan };
const ruled = (policy: unknown, changed: Partial<typeof subject> = {}) =>
  rule(parsePolicy(policy, "of the test"), { ...subject, ...changed }, risk());

describe("risk", () => {
  it("is the sum of its lines, one for each thing that was looked at", () => {
    const { lines, score, tier } = risk();
    expect(lines.map(({ factor }) => factor)).toEqual([
      "environment",
      "way back",
      "dependents",
      "share of traffic",
      "data of its own",
      "criticality",
      "confidence",
      "severity of the incident",
      "other actions in flight",
      "time",
    ]);
    expect(lines.reduce((sum, { points }) => sum + points, 0)).toBe(score);
    expect(tier).toBe("T2");
  });

  it.each<[string, () => { score: number }]>([
    ["way back is slow", () => risk({ reversibility: "slow" })],
    ["services are unknown", () => withPlan({ services: [] })],
    ["service is in no graph", () => risk({ graph: { nodes: [], edges: [] } })],
    ["share of traffic is unknown", () => withPlan({ trafficShare: null })],
    ["data cannot be told", () => withPlan({ stateful: null })],
    ["data is there", () => withPlan({ stateful: true })],
    ["criticality is unknown", () => risk({ catalog: [] })],
    ["confidence is unknown", () => risk({ confidence: null })],
    ["confidence is low", () => risk({ confidence: 0.4 })],
    ["severity is unknown", () => risk({ severity: null })],
    ["incident is critical", () => risk({ severity: "critical" })],
    ["another action runs", () => risk({ concurrent: 1 })],
    ["hours are not configured", () => risk({ policy: DEFAULT_POLICY })],
    ["hours are over", () => risk({ at: NOW + 24 * HOUR })],
    ["earlier runs went badly", () => risk({ record: { points: 2, words: "0 of 3 helped" } })],
  ])("is higher when the %s", (_what, changed) => {
    expect(changed().score).toBeGreaterThan(risk().score);
  });

  it("never counts the unknown as less than the worst that is known", () => {
    expect(risk({ catalog: [] }).score).toBeGreaterThanOrEqual(
      risk({ catalog: [{ name: "shelf", description: "", owner: "", tier: 1, dependsOn: [] }] }).score,
    );
    expect(withPlan({ trafficShare: null }).score).toBeGreaterThanOrEqual(withPlan({ trafficShare: 1 }).score);
    expect(risk({ confidence: null }).score).toBeGreaterThanOrEqual(risk({ confidence: 0 }).score);
  });

  it("reaches T3 when nothing is known, T4 when there is no way back, T1 only outside production", () => {
    const nothing = { graph: { nodes: [], edges: [] }, catalog: [], confidence: null, severity: null, policy: DEFAULT_POLICY };
    expect(risk(nothing).tier).toBe("T3");
    expect(risk({ reversibility: "none" }).tier).toBe("T4");
    expect(withPlan({ environment: "staging" }).tier).toBe("T1");
    expect(risk({ ...nothing, plan: { ...plan, environment: "staging", trafficShare: null } }).tier).toBe("T2");
  });
});

describe("policy", () => {
  it("has safe defaults, and refuses unknown keys and nonsense by name", () => {
    expect(ruled({})).toMatchObject({ tier: "T2", approvals: 1, requesterMayApprove: false, refusal: null });
    for (const [wrong, key] of [
      [{ tierz: {} }, "tierz"],
      [{ tiers: { T3: { approvals: 1, requesterMayApprove: true, emoji: true } } }, "tiers.T3.approvals"],
      [{ workingHours: { days: ["mon"], from: "9", to: "17:00" } }, "workingHours.from"],
      [{ workingHours: { days: ["mon"], from: "09:00", to: "17:00", timeZone: "Mars/Olympus" } }, "workingHours.timeZone"],
      [{ services: { shelf: { maximumTier: "T1" } } }, "maximumTier"],
      [{ canary: { towardsRisk: [1.5] } }, "canary.towardsRisk"],
    ] as const) {
      expect(() => parsePolicy(wrong, "p.yaml")).toThrow(key);
    }
  });

  it("raises tier and approvals for a service or an action, never lowers them, and says which key did it", () => {
    const raised = ruled({ services: { shelf: { minimumTier: "T3", actions: { toggle_feature_flag: { approvals: 4 } } } } });
    expect(raised).toMatchObject({ tier: "T3", approvals: 4 });
    expect(raised.because.join("\n")).toContain("services.shelf.minimumTier");
    expect(raised.because.join("\n")).toContain("services.shelf.actions.toggle_feature_flag.approvals");
    expect(ruled({ actions: { toggle_feature_flag: { minimumTier: "T1", approvals: 1 } } })).toMatchObject({ tier: "T2" });
    expect(ruled({ services: { till: { minimumTier: "T3" } } })).toMatchObject({ tier: "T2" });
  });

  it.each([
    ["neverTouch", { neverTouch: ["flag:new-layout"] }],
    ["actions.toggle_feature_flag.allowed", { actions: { toggle_feature_flag: { allowed: false } } }],
    ["services.shelf.allowed", { services: { shelf: { allowed: false } } }],
    ["environments", { actions: { toggle_feature_flag: { environments: ["staging"] } } }],
    ["T4", { services: { shelf: { minimumTier: "T4" } } }],
  ])("refuses by %s", (key, policy) => {
    expect(ruled(policy).refusal).toContain(key);
  });

  it("freezes by date and by week, for some services or all; what cannot be told to lie outside is frozen", () => {
    const policy = parsePolicy(
      {
        freeze: [{ from: "2026-11-24T00:00:00Z", to: "2026-11-24T04:00:00Z", reason: "sale", services: ["till"] }],
        weeklyFreeze: [{ days: ["fri"], from: "18:00", to: "06:00", timeZone: "Europe/Berlin", reason: "weekend" }],
      },
      "of the test",
    );
    const at = (services: string[], time: number) => frozen(policy, { environment: "production", services }, time);
    expect(at(["shelf"], NOW)).toBeNull();
    expect(at(["till"], NOW)).toContain("sale");
    expect(at([], NOW)).toContain("sale");
    expect(at(["till"], NOW + HOUR)).toBeNull();
    // Friday 27 November, 18:00 in Berlin is 17:00 UTC; it lasts until Saturday 06:00.
    expect(at(["shelf"], Date.UTC(2026, 10, 27, 16, 59))).toBeNull();
    expect(at(["shelf"], Date.UTC(2026, 10, 27, 17))).toContain("weekend");
    expect(at(["shelf"], Date.UTC(2026, 10, 28, 4, 59))).toContain("weekend");
    expect(at(["shelf"], Date.UTC(2026, 10, 28, 5))).toBeNull();
  });

  it("knows hours that last all day and hours that pass midnight", () => {
    const day = { days: ["tue" as const], from: "00:00", to: "24:00", timeZone: "UTC" };
    expect(within(day, NOW)).toBe(true);
    expect(within(day, NOW + 24 * HOUR)).toBe(false);
  });

  it("is explained for an action without filing anything", async () => {
    const world = await actionWorld();
    const explained = await world.actions.explain("toggle_feature_flag", { flag: "new-layout", percent: 0 }, 0.9);
    expect(explained).toMatchObject({
      ok: true,
      explanation: { target: "flag:new-layout", change: "25% on → 0% on", ruling: { tier: "T2", approvals: 1 }, now: [] },
    });
    await world.actions.stop("web:maya", "drill");
    const stopped = await world.actions.explain("toggle_feature_flag", { flag: "new-layout", percent: 0 }, null);
    expect(stopped.ok && stopped.explanation.now[0]).toContain("drill");
    expect(await world.actions.explain("toggle_feature_flag", { flag: "*", percent: 0 }, null)).toMatchObject({ ok: false });
    expect(await world.actions.list()).toEqual([]);
  });
});

it("names the key and the file when a policy file cannot be read", () => {
  expect(() => loadPolicy("/nowhere/policy.yaml")).toThrow(
    /^actions\.policyFile names \/nowhere\/policy\.yaml, which cannot be read .*ENOENT/,
  );
});

describe("limits", () => {
  const run = (changed: Partial<Run> = {}): Run => ({
    target: "flag:new-layout",
    services: ["shelf"],
    at: NOW - 30 * MINUTE,
    watchedUntil: null,
    state: "verified",
    ...changed,
  });
  const limited = (runs: Run[], policy: Policy = DEFAULT_POLICY) => limitReached(policy, runs, plan, NOW, 15 * MINUTE);

  it.each<[string, Run[]]>([
    ["limits.perDay", Array.from({ length: 10 }, (_, i) => run({ target: `flag:${i}`, services: [], at: NOW - (i + 2) * HOUR }))],
    ["limits.perTargetPerHour", [run(), run(), run()]],
    ["limits.perServicePerHour", [run({ target: "a" }), run({ target: "b" }), run({ target: "c" })]],
    ["limits.cooldown", [run({ state: "rolled_back", at: NOW - 20 * MINUTE })]],
    ["limits.cooldown", [run({ state: "unknown", at: NOW - 20 * MINUTE })]],
    ["limits.cooldown", [run({ state: "rolled_back", at: NOW - 80 * MINUTE, watchedUntil: NOW - 5 * MINUTE })]],
    [
      "limits.failedVerificationsUntilReadOnly",
      [run({ target: "a", services: [], state: "unknown" }), run({ target: "b", services: [], state: "rolled_back" })],
    ],
  ])("%s stops it", (key, runs) => {
    expect(limited(runs)).toContain(key);
  });

  it("let it pass when the time is over, when it was elsewhere, or after a success", () => {
    expect(limited([])).toBeNull();
    expect(limited([run({ at: NOW - 2 * HOUR }), run({ at: NOW - 2 * HOUR }), run()])).toBeNull();
    expect(limited([run({ state: "rolled_back", at: NOW - 50 * MINUTE })])).toBeNull();
    expect(limited([run({ state: "rolled_back", at: NOW - 45 * MINUTE, watchedUntil: NOW - 35 * MINUTE })])).toBeNull();
    expect(limited([run({ target: "a", services: [], state: "unknown" }), run({ target: "b", services: [] })])).toBeNull();
  });
});
