import { type EpochMs, MINUTE } from "../../../src/domain/time.ts";
import { type Reliability, reliability } from "../../../src/learning/reliability.ts";
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
  /** That the leading hypothesis is the cause, over the reports on real incidents; and that something is wrong, over all that say how likely it is. */
  readonly cause: Reliability;
  readonly real: Reliability;
  readonly reports: number;
}

/** @param incidents how many there were, told or not */
export function measure(lived: readonly Lived[], incidents: number, weeks: number): Measured {
  const real = firstOfEach(lived.filter(({ incident, toldAt }) => incident && toldAt !== null));
  const wrong = (some: readonly Lived[]) => share(some.filter(({ leadRight }) => !leadRight).length, some.length);
  const recurring = real.filter(({ incident }) => incident?.family);
  const reports = lived.filter(({ toldAt }) => toldAt !== null);
  const onIncidents = reports.filter(({ incident }) => incident !== null);
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
    cause: reliability(onIncidents.map(({ claim }) => ({ confidence: claim.confidence, correctness: Number(claim.right) }))),
    real: reliability(
      reports.flatMap(({ real: chance, incident }) =>
        chance === null ? [] : [{ confidence: chance, correctness: Number(incident !== null) }],
      ),
    ),
    reports: reports.length,
  };
}

/** An incident may raise several episodes; the first one that was told counts. Incidents of different years may have the same id. */
function firstOfEach(lived: readonly Lived[]): Lived[] {
  const first = new Map<string, Lived>();
  for (const one of lived) {
    const key = `${one.incident?.id} ${one.incident?.from}`;
    if (one.incident && !first.has(key)) first.set(key, one);
  }
  return [...first.values()];
}
