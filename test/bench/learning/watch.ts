import { createDetector, watchlist } from "../../../src/detection/index.ts";
import type { Anomaly } from "../../../src/domain/anomaly.ts";
import { DAY, type EpochMs, MINUTE, SECOND } from "../../../src/domain/time.ts";
import type { Chance } from "../../../src/flows/eval/random.ts";
import type { Effect, Scenario } from "../../../src/flows/eval/scenario.ts";
import { Simulation } from "../../../src/flows/eval/simulate.ts";
import { type Happening, type PlannedIncident, type RoutineChange, shopServices, worldOf, type Year } from "./world.ts";

export const STEP = MINUTE;
const TRAINING = 14 * DAY;
const FALSE_ALARMS_PER_WEEK = 0.5;
/** Alarms that overlap, or follow so soon, are one episode. */
const TOGETHER = 20 * MINUTE;

/** Alarms of the detectors that belong together, and what they were about; `incident` null for a false alarm. */
export interface Episode {
  readonly anomalies: readonly Anomaly[];
  readonly incident: PlannedIncident | null;
  readonly blip: Happening | null;
  /** What else was changed in the day before and until it was over. */
  readonly routine: readonly RoutineChange[];
}

/** Lets Vigil's own detectors watch the year, step by step. What they raise does not depend on what is learned; what is told does. */
export function watchYear(year: Year, start: EpochMs, days: number, random: Chance): Episode[] {
  const raised: Anomaly[] = [];
  const happenings = [...year.incidents, ...year.blips];
  const services = Object.keys(shopServices(true));
  const watched = watchlist(services, { step: STEP, falseAlarmsPerWeek: FALSE_ALARMS_PER_WEEK }).map((one) => ({
    ...one,
    detector: createDetector(one.detector),
    history: [] as { at: EpochMs; value: number }[],
    open: null as Anomaly | null,
  }));
  const drift = new Map<string, number>();
  for (let day = start - TRAINING; day < start + days * DAY; day += DAY) {
    if (day === start) for (const one of watched) one.detector.train(one.history.splice(0));
    const end = day + DAY;
    const effects: Effect[] = happenings
      .filter(({ from, to }) => from < end && to > day)
      .flatMap(({ from, to, effects: all }) => all.map((effect) => ({ ...effect, from: from - end, to: to - end }) as Effect));
    const simulation = new Simulation(
      { now: new Date(end).toISOString(), changes: [] } as unknown as Scenario,
      worldOf(0, true, DAY, effects),
    );
    for (let at = day; at < end; at += STEP) {
      for (const name of simulation.order) drift.set(name, 0.5 * (drift.get(name) ?? 0) + 0.013 * random.normal());
      const behaviour = simulation.at(at, (name) => 1 + (drift.get(name) ?? 0));
      for (const one of watched) {
        const { rate, latency, failing } = behaviour.get(one.service) as NonNullable<ReturnType<typeof behaviour.get>>;
        const count = Math.max(1, random.count((rate * STEP) / SECOND));
        const value =
          one.signal === "rate"
            ? (count * SECOND) / STEP
            : one.signal === "errors"
              ? Math.min(1, random.count(count * failing) / count)
              : (latency / 1_000) * (1 + (0.8 * random.normal()) / Math.sqrt(count));
        if (at < start) {
          one.history.push({ at, value });
          continue;
        }
        const seen = one.detector.observe({ at, value }, one.signal === "rate" ? {} : { count });
        if (seen.change)
          one.open = {
            id: `${one.service}-${one.signal}-${at}`,
            service: one.service,
            signal: one.signal,
            labels: {},
            endedAt: null,
            ...seen.change,
          };
        else if (one.open && seen.ongoing) one.open = { ...one.open, ...seen.ongoing };
        else if (one.open) {
          raised.push({ ...one.open, endedAt: seen.ended?.endedAt ?? at });
          one.open = null;
        }
      }
    }
  }
  return episodes(raised, year);
}

function episodes(raised: readonly Anomaly[], year: Year): Episode[] {
  const groups: Anomaly[][] = [];
  let until = Number.NEGATIVE_INFINITY;
  for (const anomaly of raised.toSorted((a, b) => a.startedAt - b.startedAt)) {
    if (anomaly.startedAt > until + TOGETHER) groups.push([]);
    groups.at(-1)?.push(anomaly);
    until = Math.max(until, anomaly.endedAt ?? anomaly.detectedAt);
  }
  return groups.map((anomalies) => {
    const from = Math.min(...anomalies.map(({ startedAt }) => startedAt));
    const detected = Math.min(...anomalies.map(({ detectedAt }) => detectedAt));
    const over = Math.max(...anomalies.map(({ detectedAt, endedAt }) => endedAt ?? detectedAt));
    const during = ({ from: begin, to }: Happening) => detected >= begin && from < to;
    return {
      anomalies,
      incident: year.incidents.find(during) ?? null,
      blip: year.blips.find(during) ?? null,
      routine: year.routine.filter(({ at }) => at > from - DAY && at <= over),
    };
  });
}
