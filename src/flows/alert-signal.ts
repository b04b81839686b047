import type { AnomalyScanner } from "../agent/types.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { MetricSource, RedSignal, ServiceName } from "../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";

/** An alert in telemetry time, as far as its signal is concerned. */
export interface AlertSymptom {
  readonly service: ServiceName;
  /** Its name, texts and labels, in which words for a signal may stand. */
  readonly words: string;
  readonly startsAt: EpochMs;
  readonly critical: boolean;
}

/** Words by which rules and dashboards name what they watch. */
const SIGNAL_WORDS: readonly (readonly [RedSignal, RegExp])[] = [
  ["latency", /latenc|duration|slow|response.?time|\bp?9[059]\b|apdex|timeout|deadline/i],
  ["errors", /error|5xx|\b50\d\b|fail|exception|availab|success.?rate|burn.?rate|slo\b|crash|panic/i],
  ["rate", /traffic|request.?rate|throughput|\brps\b|\bqps\b/i],
];

/** The RED signal that an alert is about by its words, or null when they do not say. */
const signalIn = (words: string): RedSignal | null => SIGNAL_WORDS.find(([, pattern]) => pattern.test(words))?.[0] ?? null;

const BEFORE = HOUR;
/** An alert fires some time after its trouble began. */
const LEAD = 10 * MINUTE;

/** What an alert says, as an anomaly: with numbers where telemetry has any, else with zeros and a score of one. */
export class AlertMeter {
  readonly #metrics: Pick<MetricSource, "red">;
  readonly #now: EpochMs;
  readonly #step: Milliseconds;
  readonly #worst: ReadonlyMap<ServiceName, readonly Anomaly[]>;
  readonly #kept = new Map<string, Promise<Numbers | null>>();

  private constructor(
    metrics: Pick<MetricSource, "red">,
    now: EpochMs,
    step: Milliseconds,
    worst: ReadonlyMap<ServiceName, readonly Anomaly[]>,
  ) {
    this.#metrics = metrics;
    this.#now = now;
    this.#step = step;
    this.#worst = worst;
  }

  /** Looks once at all the services at `now`, telemetry time; a scanner that cannot answer is done without. */
  static async at(
    now: EpochMs,
    services: readonly ServiceName[],
    deps: { readonly metrics: Pick<MetricSource, "red">; readonly scanner: AnomalyScanner; readonly step: Milliseconds },
  ): Promise<AlertMeter> {
    const found = services.length === 0 ? [] : await deps.scanner.scan(services, now).catch((): readonly Anomaly[] => []);
    const worst = new Map<ServiceName, Anomaly[]>();
    for (const anomaly of found) worst.set(anomaly.service, [...(worst.get(anomaly.service) ?? []), anomaly]);
    return new AlertMeter(deps.metrics, now, deps.step, worst);
  }

  async anomaly(id: string, symptom: AlertSymptom): Promise<Anomaly> {
    const { service, startsAt, critical } = symptom;
    const scanned = this.#worst.get(service) ?? [];
    const named = signalIn(symptom.words);
    const seen = named === null ? scanned[0] : scanned.find(({ signal }) => signal === named);
    const base = { id, service, labels: { alert: id }, detectedAt: this.#now, endedAt: null };
    const score = critical ? 2 : 1;
    if (seen) {
      const startedAt = Math.min(seen.startedAt, startsAt);
      return { ...seen, ...base, kind: "level", startedAt, score: Math.max(score, seen.score) };
    }
    const signal = named ?? "errors";
    const numbers = named === null ? null : await this.#numbers(service, signal, startsAt);
    return {
      ...base,
      signal,
      kind: "level",
      startedAt: startsAt,
      direction: numbers && numbers.observed < numbers.expected ? "down" : "up",
      observed: numbers?.observed ?? 0,
      expected: numbers?.expected ?? 0,
      relativeChange: numbers && numbers.expected !== 0 ? numbers.observed / numbers.expected - 1 : 0,
      score,
    };
  }

  #numbers(service: ServiceName, signal: RedSignal, startsAt: EpochMs): Promise<Numbers | null> {
    const key = `${service}|${signal}`;
    const kept = this.#kept.get(key) ?? this.#measure(service, signal, startsAt).catch(() => null);
    this.#kept.set(key, kept);
    return kept;
  }

  /** Mean since shortly before the alert, beside the mean of the hour before that. */
  async #measure(service: ServiceName, signal: RedSignal, startsAt: EpochMs): Promise<Numbers | null> {
    const onset = Math.min(startsAt, this.#now) - LEAD;
    const { points } = await this.#metrics.red({ service, signal, from: onset - BEFORE, to: this.#now, step: this.#step });
    const before = points.filter(({ at }) => at < onset);
    const since = points.filter(({ at }) => at >= onset);
    return before.length < 5 || since.length === 0 ? null : { observed: mean(since), expected: mean(before) };
  }
}

interface Numbers {
  readonly observed: number;
  readonly expected: number;
}

const mean = (points: readonly { readonly value: number }[]): number =>
  points.reduce((sum, { value }) => sum + value, 0) / points.length;

/** False for an alert that telemetry knows nothing about: its zeros are no measurement. */
export const isMeasured = ({ observed, expected }: Anomaly): boolean => observed !== 0 || expected !== 0;
