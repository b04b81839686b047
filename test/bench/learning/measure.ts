import { type EpochMs, MINUTE, WEEK } from "../../../src/domain/time.ts";
import type { Lived } from "./arm.ts";

const share = (part: number, whole: number): number => (whole === 0 ? Number.NaN : part / whole);
const mean = (values: readonly number[]): number =>
  share(
    values.reduce((sum, value) => sum + value, 0),
    values.length,
  );

/** Minutes that a person needs to rule out a hypothesis, and to find a cause that is on nobody's list. Assumed, the same for every arm. */
const RULE_OUT = 12;
const BY_HAND = 45;

/**
 * Calibration error: root of the mean squared distance between stated confidence and how often it was right, over bands of equally many
 * reports, less what chance alone would bring (the debiased estimator of Kumar, Liang and Ma, 2019). 0 is perfect.
 */
export function calibrationError(claims: readonly { readonly confidence: number; readonly right: boolean }[], bands = 8): number {
  const sorted = claims.toSorted((a, b) => a.confidence - b.confidence);
  let sum = 0;
  for (let band = 0; band < bands; band++) {
    const inside = sorted.slice(Math.floor((band * sorted.length) / bands), Math.floor(((band + 1) * sorted.length) / bands));
    if (inside.length < 2) continue;
    const said = mean(inside.map(({ confidence }) => confidence));
    const was = mean(inside.map(({ right }) => Number(right)));
    sum += (inside.length / sorted.length) * ((said - was) ** 2 - (was * (1 - was)) / (inside.length - 1));
  }
  return Math.sqrt(Math.max(0, sum));
}

/** The same without the correction: expected calibration error over ten equal bands. */
export function plainCalibrationError(claims: readonly { readonly confidence: number; readonly right: boolean }[]): number {
  let sum = 0;
  for (let band = 0; band < 10; band++) {
    const inside = claims.filter(({ confidence }) => Math.min(9, Math.floor(confidence * 10)) === band);
    if (inside.length > 0)
      sum +=
        (inside.length / claims.length) *
        Math.abs(mean(inside.map(({ confidence }) => confidence)) - mean(inside.map(({ right }) => Number(right))));
  }
  return sum;
}

export interface Measured {
  /** Wrong or undecided first hypothesis, of incidents that were told. */
  readonly recurringError: number;
  /** The same from the third occurrence of a family on. */
  readonly afterSecond: number;
  readonly newError: number;
  readonly accuracy: number;
  /** Share of the incidents told whose right cause was stated as the cause, not as a guess under "I do not know". */
  readonly named: number;
  readonly minutesToCause: number;
  readonly falseAlarmsPerWeek: number;
  /** Share of the incidents that were told before they were over. */
  readonly detected: number;
  readonly minutesToTell: number;
  /** Proposals accepted, of those made; and incidents in which an accepted proposal helped. */
  readonly acceptance: number;
  readonly cured: number;
  /** Over every report that people were told, false alarms included: what a reader of one may expect. */
  readonly calibration: number;
  readonly plainCalibration: number;
  /** Over the first report of each real incident, which nobody can pick out when reading. */
  readonly calibrationOnIncidents: number;
  readonly reports: number;
}

/** @param incidents how many there were, told or not */
export function measure(lived: readonly Lived[], incidents: number, weeks: number): Measured {
  const real = firstOfEach(lived.filter(({ incident, toldAt }) => incident && toldAt !== null));
  const wrong = (some: readonly Lived[]) => share(some.filter(({ leadRight }) => !leadRight).length, some.length);
  const recurring = real.filter(({ incident }) => incident?.family);
  const claims = lived.flatMap(({ toldAt, claim }) => (toldAt === null ? [] : [claim]));
  const proposed = real.filter((one) => one.proposed);
  const told = (one: Lived) => ((one.toldAt as EpochMs) - (one.incident?.from ?? 0)) / MINUTE;
  return {
    recurringError: wrong(recurring),
    afterSecond: wrong(recurring.filter(({ incident }) => (incident?.occurrence ?? 0) > 2)),
    newError: wrong(real.filter(({ incident }) => !incident?.family)),
    accuracy: 1 - wrong(real),
    named: share(real.filter(({ standing }) => standing === "right").length, real.length),
    minutesToCause: mean(
      real.map((one) => told(one) + (one.rank === null ? BY_HAND : Math.min(BY_HAND, (one.rank - 1) * RULE_OUT))),
    ),
    falseAlarmsPerWeek: lived.filter(({ incident, toldAt }) => !incident && toldAt !== null).length / weeks,
    detected: share(real.length, incidents),
    minutesToTell: mean(real.map(told)),
    acceptance: share(proposed.filter(({ accepted }) => accepted).length, proposed.length),
    cured: share(real.filter(({ helped }) => helped).length, real.length),
    calibration: calibrationError(claims),
    plainCalibration: plainCalibrationError(claims),
    calibrationOnIncidents: calibrationError(real.map(({ claim }) => claim)),
    reports: claims.length,
  };
}

/** An incident may raise several episodes; the first one that was told counts. */
function firstOfEach(lived: readonly Lived[]): Lived[] {
  const first = new Map<number, Lived>();
  for (const one of lived) if (one.incident && !first.has(one.incident.id)) first.set(one.incident.id, one);
  return [...first.values()];
}

export const weeksBetween = (from: EpochMs, to: EpochMs): number => (to - from) / WEEK;
