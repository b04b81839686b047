import { type Milliseconds, WEEK } from "../domain/time.ts";

/** Alarms that the promise of the budget counts for. */
const PRIOR = 1;
/** The share of the excess, in logarithms, that is asked for in evidence: a tail of the third power. */
const ROOT = 1 / 3;
/** However noisy a series was, an outage must still be seen. */
const STRICTEST = 5;
const MEMORY: Milliseconds = 8 * WEEK;

/**
 * Holds a series to its budget: alarms that it raised are counted against what was promised, and a series that raises more needs more
 * evidence for the next. The posterior mean of the alarm rate (gamma prior at the budget) over the budget is the excess; evidence is asked
 * for in proportion to a root of it, as for a tail that falls by a power law (Clauset, Shalizi and Newman 2009), heavier than any tail
 * the charts were calibrated for.
 */
export class AlarmLedger {
  private readonly perWeek: number;
  private alarms = 0;
  private watched: Milliseconds = 0;

  constructor(perWeek: number) {
    this.perWeek = perWeek;
  }

  watch(step: Milliseconds): void {
    const keep = 1 - step / MEMORY;
    this.watched = this.watched * keep + step;
    this.alarms *= keep;
  }

  raised(): void {
    this.alarms++;
  }

  /** Factor on every threshold, at least 1. */
  strictness(): number {
    const rate = (this.alarms + PRIOR) / (this.watched / WEEK + PRIOR / this.perWeek);
    return Math.min(STRICTEST, Math.max(1, rate / this.perWeek) ** ROOT);
  }

  save(): number[] {
    return [this.alarms, this.watched];
  }

  load([alarms = 0, watched = 0]: readonly number[]): void {
    this.alarms = alarms;
    this.watched = watched;
  }
}
