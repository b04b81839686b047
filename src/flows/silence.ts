import { type Clock, type EpochMs, type Milliseconds, SECOND } from "../domain/time.ts";
import type { Log } from "./log.ts";
import type { IncidentChannel } from "./ports.ts";
import { clockTime } from "./signals.ts";

/** When nothing at all has arrived for so long, the pipeline is silent, not the services. */
const SILENT_STEPS = 15;
const SILENT_AT_LEAST = 10 * SECOND;

export interface SilenceDependencies {
  readonly channel: IncidentChannel;
  readonly clock: Clock;
  /** Wall clock; telemetry time may run faster. */
  readonly wall?: () => EpochMs;
  readonly log: Log;
  readonly step: Milliseconds;
}

/** Tells the channel when telemetry stops arriving altogether. */
export class Silence {
  readonly #deps: SilenceDependencies;
  /** The newest telemetry, and the wall time at which it was first seen. */
  #arrival: { readonly latest: EpochMs | null; readonly seen: EpochMs; readonly told: boolean } | null = null;

  constructor(deps: SilenceDependencies) {
    this.#deps = deps;
  }

  /** Says once that nothing arrives any more, and once that it does again. */
  async notice(latest: EpochMs | null): Promise<void> {
    const { wall = Date.now, clock, channel, log, step } = this.#deps;
    const before = this.#arrival;
    if (!before || before.latest !== latest) {
      this.#arrival = { latest, seen: wall(), told: false };
      if (before?.told) await channel.tell(null, "Telemetry arrives again. Vigil watches.");
      return;
    }
    const patience = Math.max(SILENT_AT_LEAST, (SILENT_STEPS * step) / clock.speed);
    if (before.told || latest === null || wall() - before.seen < patience) return;
    this.#arrival = { ...before, told: true };
    log.warn({ latest: new Date(latest).toISOString() }, "no telemetry arrives");
    await channel.tell(
      null,
      `No telemetry has arrived since ${clockTime(latest)} UTC, from any service. Until it does, Vigil sees nothing: look at the collector first, then at \`vigil doctor\`.`,
    );
  }
}
