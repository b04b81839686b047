import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import type { Finding } from "./invariants.ts";
import { simulate, type Tally } from "./simulation.ts";

export interface ChaosResult {
  readonly runs: number;
  readonly tally: Tally;
  readonly findings: readonly (Finding & { readonly seed: number })[];
}

const TABLES = [
  "proposals",
  "decisions",
  "executions",
  "locks",
  "switches",
  "leases",
  "experiments",
  "audit",
  "proposal_ids",
] as const;

/** Runs schedules one after the other on one store, emptied in between; `seed + i` is the seed of run `i`. */
export async function chaos(
  place: string,
  runs: number,
  seed: number,
  onProgress: (done: number, findings: number) => void = () => {},
): Promise<ChaosResult> {
  const first = await openStateDatabase(place);
  const second = await openStateDatabase(place);
  const tally: Tally = {};
  const findings: (Finding & { seed: number })[] = [];
  try {
    for (let run = 0; run < runs; run++) {
      await empty(first);
      for (const finding of await simulate(seed + run, [first, second], tally)) findings.push({ ...finding, seed: seed + run });
      onProgress(run + 1, findings.length);
    }
  } finally {
    await first.destroy();
    await second.destroy();
  }
  return { runs, tally, findings };
}

async function empty(db: StateDatabase): Promise<void> {
  await db.transaction().execute(async (work) => {
    for (const table of TABLES) await work.deleteFrom(table).execute();
  });
}
