import { DateTime } from "luxon";
import { DAY, type EpochMs, type Milliseconds, WEEK } from "../domain/time.ts";
import type { Kpis } from "../learning/kpis.ts";
import type { Log } from "./log.ts";
import type { IncidentChannel } from "./ports.ts";
import { headlineFigures } from "./report.ts";
import type { WatchMemory } from "./stores.ts";

export interface DigestSchedule {
  /** 1 is Monday, 7 Sunday. */
  readonly weekday: number;
  readonly hour: number;
  /** IANA name. */
  readonly zone: string;
}

export interface DigestDependencies {
  /** Of what began since a moment. */
  readonly figures: (since: EpochMs) => Promise<Kpis>;
  readonly channel: Pick<IncidentChannel, "tell">;
  readonly memory: Pick<WatchMemory, "remember" | "recall">;
  readonly schedule: DigestSchedule;
  /** Address of the report page, or null. */
  readonly page: string | null;
  /** Wall clock. */
  readonly now: () => EpochMs;
  readonly log: Log;
}

const EVERY: Milliseconds = 60_000;
/** After a longer stop than this, last week's digest is old news. */
const LATEST: Milliseconds = DAY;
const KEY = "digest/last";

/** The newest moment at or before `now` at which a digest is due, on the schedule's own clock, across daylight saving. */
export function lastDue(now: EpochMs, { weekday, hour, zone }: DigestSchedule): EpochMs {
  const local = DateTime.fromMillis(now, { zone });
  const due = local
    .startOf("week")
    .plus({ days: weekday - 1 })
    .set({ hour });
  return (due.toMillis() <= now ? due : due.minus({ weeks: 1 })).toMillis();
}

/** Tells the channel once a week what the week brought; a quiet week is not told. */
export class Digest {
  readonly #deps: DigestDependencies;
  #timer: NodeJS.Timeout | null = null;

  constructor(deps: DigestDependencies) {
    this.#deps = deps;
  }

  start(): void {
    this.#timer = setInterval(
      () =>
        this.check().catch((error) =>
          this.#deps.log.warn({ err: error }, "the digest could not be told; the next minute tries again"),
        ),
      EVERY,
    );
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Tells what is due. True when something was told. */
  async check(): Promise<boolean> {
    const { figures, channel, memory, schedule, now } = this.#deps;
    const due = lastDue(now(), schedule);
    const last = await memory.recall<EpochMs>(KEY);
    if (last !== null && last >= due) return false;
    // Remembered first: told once or, at a crash in between, not at all.
    await memory.remember(KEY, due);
    if (last === null || now() - due > LATEST) return false;
    const week = await figures(due - WEEK);
    if (week.investigations === 0) return false;
    await channel.tell(null, digestText(week, this.#deps.page));
    return true;
  }
}

/** The week in a few lines of Markdown. */
function digestText(week: Kpis, page: string | null): string {
  const figures = headlineFigures(week).map(({ name, value }) => `- **${name}:** ${value}`);
  const causes = week.topCauses.slice(0, 3).map(({ cause, count }) => `${cause} (${count})`);
  const { verdicts } = week;
  const judged = Object.values(verdicts).reduce((sum, count) => sum + count, 0);
  const open = week.investigations - judged;
  return [
    "**The week with Vigil**",
    ...figures,
    ...(causes.length > 0 ? [`- **Top causes:** ${causes.join(", ")}`] : []),
    ...(open > 0
      ? [`- ${open} of ${week.investigations} investigations have no verdict; a click on their card teaches me.`]
      : []),
    ...(page ? [`- All figures: ${page}`] : []),
  ].join("\n");
}
