import type { Presenter } from "../chat/presenter.ts";
import { MOST_STEPS } from "../domain/telemetry.ts";
import { DAY, SECOND } from "../domain/time.ts";
import { ExhaustionWatch } from "../flows/exhaustion.ts";
import type { HeldBackDigest } from "../flows/held-back.ts";
import type { Inference } from "../flows/infer.ts";
import type { Investigator } from "../flows/investigate.ts";
import { Watcher } from "../flows/watch.ts";
import { consensus } from "../learning/consensus.ts";
import { type HouseParts, keepSharedHouse } from "./housekeeping.ts";
import type { Inbound } from "./inbound.ts";
import type { Progress } from "./progress.ts";

/** What a turn at leading works with; all of it outlives the turn. */
export interface LeaderParts extends HouseParts {
  readonly channel: Presenter;
  readonly investigator: Investigator;
  readonly inbound: Inbound;
  readonly inference: Inference;
  readonly heldBack: HeldBackDigest;
  readonly progress: Progress;
  /** Told the watcher that watches from now on, and null when it ends. */
  readonly watching: (watcher: Watcher | null) => void;
}

/** What one replica does for all: watches, investigates, looks after what is in flight, clears away. Resolves with how to end it. */
export async function lead(signal: AbortSignal, parts: LeaderParts): Promise<() => Promise<void>> {
  const { core, investigator, inbound, channel, heldBack, watching, log } = parts;
  channel.wake();
  const enders: (() => Promise<void>)[] = [];
  const end = async () => {
    for (const each of enders.toReversed())
      await each().catch((error) => log.warn({ err: error }, "something the leader did did not end cleanly"));
  };
  try {
    // First what is in flight: learning what is normal may take a while.
    enders.push(() => core.actions.close());
    await core.actions.start();
    const watcher = await learnedWatcher(parts, signal);
    enders.push(() => investigator.close());
    watching(watcher);
    core.useScanner(watcher);
    watcher.start();
    enders.push(async () => {
      watching(null);
      core.useScanner(null);
      await watcher.stop();
    });
    enders.push(() => inbound.rest());
    await investigator.lookAfterAll();
    inbound.start();
    heldBack.start();
    enders.push(() => heldBack.stop());
    enders.push(keepSharedHouse(parts));
    signal.throwIfAborted();
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}

/** A watcher that knows what is normal. @throws when the turn ends meanwhile */
async function learnedWatcher(parts: LeaderParts, signal: AbortSignal): Promise<Watcher> {
  const { progress } = parts;
  const before = progress.current;
  const watcher = newWatcher(parts);
  const show = (done: number, total: number) => {
    signal.throwIfAborted();
    progress.current = { what: "learning what is normal", done, total };
  };
  try {
    show(0, 1);
    await watcher.prepare(show);
    signal.throwIfAborted();
    return watcher;
  } finally {
    progress.current = before;
  }
}

function newWatcher({ config, stores, core, clock, investigator, channel, inference, log }: LeaderParts): Watcher {
  const { telemetry, investigations, recordings, feedback } = stores;
  const { stepSeconds, falseAlarmsPerWeek, holidays } = config.detection;
  const step = stepSeconds * SECOND;
  return new Watcher({
    metrics: core.telemetry.metrics,
    changes: telemetry,
    graph: core.graph,
    latest: () => core.telemetry.latest(),
    store: investigations,
    memory: investigations,
    investigator,
    channel,
    exhaustion: new ExhaustionWatch({
      metrics: core.telemetry.metrics,
      memory: investigations,
      channel,
      pictures: recordings,
      log,
      step,
    }),
    clock,
    log,
    patience: (course) => core.learning.patience(course),
    resolved: (incident) => inference.incidentResolved(incident),
    dismissed: async (id) => consensus(await feedback.of(id), core.learning.learned.trust) === "noise",
    options: {
      step,
      falseAlarmsPerWeek,
      historyDays: Math.min(28, config.telemetry.retentionDays, (MOST_STEPS * step) / DAY),
      holidays,
    },
  });
}
