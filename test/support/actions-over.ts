import { Actions, DEFAULT_POLICY } from "../../src/actions/index.ts";
import { causalEffect } from "../../src/diagnosis/causal-test.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { ExperimentRepository } from "../../src/store/experiments.ts";
import { ProposalRepository } from "../../src/store/proposals.ts";
import type { StateDatabase } from "../../src/store/state.ts";
import { SwitchRepository } from "../../src/store/switches.ts";
import { silentLog } from "./fake-handlers.ts";

type Options = ConstructorParameters<typeof Actions>[0];

/**
 * The real gate and executor over the real stores of `db`, with clocks that the test moves (telemetry and wall, epoch milliseconds). What the
 * test does not name is as usual: the default policy, and one service, `shelf`.
 */
export function actionsOver(
  db: StateDatabase,
  clocks: { readonly telemetry: () => number; readonly wall: () => number },
  own: Pick<Options, "catalogue" | "flags" | "metrics" | "isApprover"> & Partial<Options>,
): Actions {
  return new Actions(
    {
      store: new ProposalRepository(db, clocks.wall),
      switches: new SwitchRepository(db),
      experiments: new ExperimentRepository(db, clocks.wall),
      policy: DEFAULT_POLICY,
      graph: async () => ({ nodes: ["shelf"], edges: [] }),
      catalog: async () => [{ name: "shelf", description: "", owner: "books", tier: 2, dependsOn: [] }],
      stoppedOutside: () => null,
      clock: { now: clocks.telemetry, speed: 1 },
      now: clocks.wall,
      key: Buffer.alloc(32, 1),
      step: MINUTE,
      approvalTtl: 5 * MINUTE,
      verificationWindow: 15 * MINUTE,
      causalWindow: 15 * MINUTE,
      log: silentLog,
      ...own,
    },
    causalEffect,
  );
}
