import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStateDatabase } from "../../src/store/state.ts";
import { startVigil } from "../e2e/app.ts";

/** How long the demo takes from its start to its first post and its report, and what memory the bot needs. Plays the flag story once. */
const folder = mkdtempSync(join(tmpdir(), "vigil-bench-story-"));
const started = Date.now();
const vigil = await startVigil(folder, { VIGIL_LOG_LEVEL: "info" });
const page = Date.now() - started;
let peak = 0;
const memory = setInterval(() => {
  const status = readFileSync(`/proc/${vigil.process.pid}/status`, "utf8");
  if (process.env.TRACE) console.error(Date.now() - started, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
  peak = Math.max(peak, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
}, 500);
await vigil.ready();
const ready = Date.now() - started;
await vigil.play("flag");
const lines = () =>
  vigil
    .log()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { time: number; msg: string; investigation?: string; ms?: number; incident?: string });
for (let waited = 0; waited < 120 && !lines().some(({ ms }) => ms !== undefined); waited++) {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
}
clearInterval(memory);
const db = await openStateDatabase(join(folder, "vigil.db"));
const post = await db
  .selectFrom("channel_messages")
  .select("at")
  .where("id", "like", "investigation:%")
  .orderBy("at")
  .executeTakeFirst();
const [investigation] = await db.selectFrom("investigations").select("body").execute();
await db.destroy();
await vigil.stop();
rmSync(folder, { recursive: true, force: true });

const anomaly = lines().find(({ incident }) => incident)?.time ?? Number.NaN;
const { steps = [], report } = JSON.parse(investigation?.body ?? "{}") as {
  steps?: { title: string; duration: number | null }[];
  report?: { cost: { duration: number } };
};
const test = steps.filter(({ title }) => title.startsWith("Causal test")).reduce((sum, { duration }) => sum + (duration ?? 0), 0);
console.table({
  "page answers after the start": { measured: `${(page / 1_000).toFixed(1)} s`, wanted: "60 s" },
  "history loaded, watching": { measured: `${(ready / 1_000).toFixed(1)} s`, wanted: "" },
  "anomaly to first post": { measured: `${Math.max(0, (post?.at ?? Number.NaN) - anomaly)} ms`, wanted: "2000 ms" },
  "investigation without the causal test's waiting": {
    measured: `${(report?.cost.duration ?? Number.NaN) - test} ms`,
    wanted: "5000 ms",
  },
  "memory of the bot at its peak": { measured: `${peak.toFixed(0)} MB`, wanted: "400 MB" },
});
