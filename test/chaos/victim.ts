import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { toggleFeatureFlag } from "../../src/actions/catalogue/toggle-feature-flag.ts";
import { Actions, DEFAULT_POLICY } from "../../src/actions/index.ts";
import { causalEffect } from "../../src/diagnosis/causal-test.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { ExperimentRepository } from "../../src/store/experiments.ts";
import { ProposalRepository } from "../../src/store/proposals.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { SwitchRepository } from "../../src/store/switches.ts";
import { FlagdFile } from "../../src/targets/flagd/index.ts";

/**
 * One real process over a real SQLite file and a real flag file: files a proposal when there is none, approves it, and takes it to its end, or
 * dies by kill -9 where `VICTIM_DIES_AT` says. Lowering the flag makes things worse here, so that it is undone. Prints the final state.
 */
const folder = process.argv[2] ?? "";
const diesAt = process.env.VICTIM_DIES_AT;
const START = Date.UTC(2026, 10, 24, 3);
const clockFile = join(folder, "clock");
let now = existsSync(clockFile) ? Number(readFileSync(clockFile, "utf8")) : START;
const flags = new FlagdFile({ file: join(folder, "flags.json"), environment: "production", now: () => now });
const db = await openStateDatabase(join(folder, "vigil.db"));
const written = async () => (await flags.get("new-layout"))?.percent ?? 25;

const actions = new Actions(
  {
    store: new ProposalRepository(db, () => now),
    switches: new SwitchRepository(db),
    experiments: new ExperimentRepository(db, () => now),
    catalogue: [toggleFeatureFlag(flags)],
    flags,
    metrics: {
      services: async () => ["shelf"],
      metrics: async () => [],
      query: async () => [],
      red: async ({ from, to, step }) => {
        const points = [];
        const level = (await written()) < 25 ? 0.16 : 0.115;
        for (let at = Math.ceil(from / step) * step; at < to; at += step) {
          const wobble = 1 + 0.02 * Math.sin(at / 77_777);
          points.push({ at, value: (at >= START ? level : 0.115) * wobble });
        }
        return { metric: "red", service: "shelf", labels: {}, unit: "s", points };
      },
    },
    policy: DEFAULT_POLICY,
    graph: async () => ({ nodes: ["shelf"], edges: [] }),
    catalog: async () => [{ name: "shelf", description: "", owner: "books", tier: 2, dependsOn: [] }],
    isApprover: async (actor) => actor === "web:maya",
    stoppedOutside: () => null,
    clock: { now: () => now, speed: 1 },
    now: () => now,
    key: Buffer.alloc(32, 1),
    step: MINUTE,
    approvalTtl: 5 * MINUTE,
    verificationWindow: 15 * MINUTE,
    causalWindow: 15 * MINUTE,
    checkpoint: async (point) => {
      if (point === diesAt) process.kill(process.pid, "SIGKILL");
    },
    log: pino({ level: "silent" }),
  },
  causalEffect,
);

if ((await actions.list()).length === 0) {
  const filed = await actions.file({
    action: "toggle_feature_flag",
    args: { flag: "new-layout", percent: 0 },
    reason: "because",
    expectedEffect: "latency goes down",
    watch: { service: "shelf", signal: "latency", direction: "down", since: null },
    confidence: 0.9,
    investigationId: "INV-1",
    requester: "vigil",
  });
  if (!filed.ok) throw new Error(filed.refusal);
  const { proposal } = filed;
  await actions.decide({
    proposalId: proposal.id,
    rev: 1,
    nonce: actions.nonceFor(proposal) ?? "",
    verdict: "approve",
    reason: null,
    actor: "web:maya",
    name: "Maya",
    via: "button",
  });
}
for (let minute = 0; minute < 40; minute++) {
  await actions.settle();
  now += MINUTE;
  writeFileSync(clockFile, String(now));
}
const [proposal] = await actions.list();
process.stdout.write(JSON.stringify({ state: proposal?.state, percent: await written() }));
await db.destroy();
