import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toggleFeatureFlag } from "../../src/actions/catalogue/toggle-feature-flag.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { FlagdFile } from "../../src/targets/flagd/index.ts";
import { actionsOver } from "../support/actions-over.ts";

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

const actions = actionsOver(
  db,
  { telemetry: () => now, wall: () => now },
  {
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
    isApprover: async (actor) => actor === "web:maya",
    checkpoint: async (point) => {
      if (point === diesAt) process.kill(process.pid, "SIGKILL");
    },
  },
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
