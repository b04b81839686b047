import { DAY, type EpochMs, type Milliseconds } from "../domain/time.ts";

export type DayType = "workday" | "weekend";

const typeOf = (at: EpochMs): DayType => ([6, 0].includes(new Date(at).getUTCDay()) ? "weekend" : "workday");

/**
 * How much of workdays and of weekends has been seen. Weekly load differs between the two more than within them (as day-type models of electricity
 * load have it: Gross and Galiana 1987). Assumes UTC days, and Saturday and Sunday as the weekend.
 */
export class DayTypes {
  private workday = 0;
  private weekend = 0;

  learn(points: readonly { readonly at: EpochMs }[]): void {
    this.workday = 0;
    this.weekend = 0;
    for (const { at } of points) this.add(at);
  }

  add(at: EpochMs): void {
    this[typeOf(at)]++;
  }

  /** Within the first week: a weekend after workdays, or one of the first two workdays after a weekend; null when the day is familiar. */
  strange(at: EpochMs, step: Milliseconds): DayType | null {
    const type = typeOf(at);
    const day = DAY / step;
    if (type === "weekend") return this.workday >= day ? type : null;
    return this.weekend >= day && this.workday < 2 * day ? type : null;
  }

  save(): number[] {
    return [this.workday, this.weekend];
  }

  load([workday = 0, weekend = 0]: readonly number[]): void {
    this.workday = workday;
    this.weekend = weekend;
  }
}
