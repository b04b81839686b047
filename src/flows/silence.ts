import { type Clock, type EpochMs, type Milliseconds, SECOND } from "../domain/time.ts";
import type { Log } from "./log.ts";
import type { IncidentChannel } from "./ports.ts";
import { clockTime } from "./signals.ts";

/** When nothing at all has arrived for so long, the pipeline is silent, not the services. */
const SILENT_STEPS = 15;
const SILENT_AT_LEAST = 10 * SECOND;
/** A source that is started anew answers nothing for a moment. */
const BLIND_STEPS = 2;

export interface SilenceDependencies {
  readonly channel: IncidentChannel;
  readonly clock: Clock;
  /** Wall clock; telemetry time may run faster. */
  readonly wall?: () => EpochMs;
  readonly log: Log;
  readonly step: Milliseconds;
}

/** Tells the channel when telemetry stops arriving altogether, and when its source does not answer. */
export class Silence {
  readonly #deps: SilenceDependencies;
  /** The newest telemetry, and the wall time at which it was first seen. */
  #arrival: { readonly latest: EpochMs | null; readonly seen: EpochMs; readonly told: boolean } | null = null;
  /** Telemetry time and wall time since when the source of metrics does not answer; null while it does. */
  #blind: { readonly since: EpochMs; readonly seen: EpochMs; readonly told: boolean } | null = null;

  constructor(deps: SilenceDependencies) {
    this.#deps = deps;
  }

  /** The source of metrics answered. Says once that nothing arrives any more, and once that it does again. */
  async notice(latest: EpochMs | null): Promise<void> {
    const { wall = Date.now, channel, log } = this.#deps;
    await this.#sees();
    const before = this.#arrival;
    // A source that looks back a few minutes only forgets what was newest; that is silence, too.
    if (!before || (latest !== null && before.latest !== latest)) {
      this.#arrival = { latest, seen: wall(), told: false };
      if (before?.told) await channel.tell(null, "Telemetry arrives again. Vigil watches.");
      return;
    }
    if (before.told || before.latest === null || wall() - before.seen < this.#patience()) return;
    this.#arrival = { ...before, told: true };
    log.warn({ latest: new Date(before.latest).toISOString() }, "no telemetry arrives");
    await channel.tell(
      null,
      `No telemetry has arrived since ${clockTime(before.latest)} UTC, from any service. Until it does, Vigil sees nothing: look at the collector first, then at \`vigil doctor\`.`,
    );
  }

  /** The source of metrics did not answer. Says so once it has gone on for a while, as one thing and not as so many services that are gone. */
  async unanswered(error: Error): Promise<void> {
    const { wall = Date.now, clock, channel, log } = this.#deps;
    this.#blind ??= { since: clock.now(), seen: wall(), told: false };
    if (this.#blind.told || wall() - this.#blind.seen < this.#patience(BLIND_STEPS)) return;
    this.#blind = { ...this.#blind, told: true };
    log.warn({ err: error }, "the source of metrics does not answer");
    await channel.tell(
      null,
      `I am blind since ${clockTime(this.#blind.since)} UTC: ${error.message.replace(/[.\s]*$/, "")}. This says nothing about the services. I go on asking, and look at what I missed when it answers; \`vigil doctor\` tries every configured source.`,
    );
  }

  async #sees(): Promise<void> {
    const { clock, channel, log, wall = Date.now } = this.#deps;
    const before = this.#blind;
    this.#blind = null;
    if (!before) return;
    // While it did not answer, nobody knows what arrived.
    if (this.#arrival && !this.#arrival.told) this.#arrival = { ...this.#arrival, seen: wall() };
    if (!before.told) return;
    log.info({ since: new Date(before.since).toISOString() }, "the source of metrics answers again");
    await channel.tell(
      null,
      `I see again: metrics could not be read from ${clockTime(before.since)} to ${clockTime(clock.now())} UTC. What was recorded meanwhile is looked at now; what was not recorded counts against no service.`,
    );
  }

  #patience(steps = SILENT_STEPS): Milliseconds {
    return Math.max(SILENT_AT_LEAST, (steps * this.#deps.step) / this.#deps.clock.speed);
  }
}
