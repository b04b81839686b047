import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { postgresDatabases } from "../support/state-places.ts";
import { chaos } from "./harness.ts";

/**
 * `npm run chaos -- --runs 10000 --seed 1 [--postgres]`: random schedules of crashes, clock jumps, double clicks, lost answers, full disks and
 * hanging targets over the real actions and the real store, with two processes on one database. Prints what happened and every violation,
 * with the seed that plays it again; exit code 1 when there is one.
 */
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    postgres: { type: "boolean", default: false },
  },
});
const runs = Number(values.runs);
const seed = Number(values.seed);
if (!Number.isInteger(runs) || runs < 1 || !Number.isInteger(seed)) {
  console.error("Give whole numbers: --runs 1000 --seed 1.");
  process.exit(2);
}

const postgres = values.postgres ? postgresDatabases() : null;
await postgres?.start();
// Thousands of runs commit many small transactions; where there is a memory disk, it spares the real one.
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "vigil-chaos-"));
const begun = performance.now();
try {
  const place = postgres ? await postgres.fresh() : join(folder, "vigil.db");
  const result = await chaos(place, runs, seed, (done, found) => {
    if (done % 100 === 0) {
      const rate = done / ((performance.now() - begun) / 1_000);
      process.stderr.write(`\r${done} of ${runs} runs, ${found} violations, ${rate.toFixed(1)} runs/s   `);
    }
  });
  process.stderr.write("\n");
  console.log(`${runs} schedules from seed ${seed} on ${postgres ? "PostgreSQL" : "SQLite"}, two processes each`);
  console.table(Object.fromEntries(Object.entries(result.tally).sort(([a], [b]) => (a < b ? -1 : 1))));
  for (const { seed: at, invariant, detail } of result.findings.slice(0, 50)) console.log(`seed ${at}: ${invariant}: ${detail}`);
  console.log(result.findings.length === 0 ? "No violation." : `${result.findings.length} violations.`);
  process.exitCode = result.findings.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
  await postgres?.stop();
}
