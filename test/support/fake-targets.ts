import type { DeployState, DeployTarget, FlagProvider, FlagState, WriteContext } from "../../src/actions/ports.ts";
import { StateMovedError, TargetError } from "../../src/actions/ports.ts";
import type { MetricSource, RedQuery, Series } from "../../src/domain/telemetry.ts";
import { gaussian, seededRandom } from "./synthetic-metrics.ts";

/** What becomes of the next write: it fails before or after it took effect, is lost after it, comes late, or is never answered. */
export type NextWrite = "refuse" | "lose-request" | "lose-response" | "hang" | null;

/** One flag in memory that keeps the provider's contract: fingerprints, idempotency, snapshots. `writes` counts what really changed something. */
export class FakeFlags implements FlagProvider {
  readonly environment = "production";
  readonly writes: string[] = [];
  /** Every write that was asked for, with what it depended on. */
  readonly asked: WriteContext[] = [];
  percent = 25;
  enabled = true;
  pinned = false;
  services = ["shelf"];
  next: NextWrite = null;
  unreadable = false;
  readonly #done = new Set<string>();

  async list(): Promise<readonly FlagState[]> {
    if (this.unreadable) throw new TargetError("the provider is down", { outcomeUnknown: false });
    const fingerprint = `${this.percent}/${this.enabled}/${this.pinned}`;
    const { percent, enabled, services } = this;
    return [
      { key: "new-layout", description: "", enabled, percent, pinnedOff: this.pinned ? ["test"] : [], services, fingerprint },
    ];
  }

  async get(key: string): Promise<FlagState | null> {
    return (await this.list()).find((flag) => flag.key === key) ?? null;
  }

  setPercent(key: string, percent: number, write: WriteContext): Promise<FlagState> {
    return this.#write(key, write, () => {
      this.percent = percent;
    });
  }

  setEnabled(key: string, enabled: boolean, write: WriteContext): Promise<FlagState> {
    return this.#write(key, write, () => {
      this.enabled = enabled;
    });
  }

  pinCohort(key: string, _cohort: "test" | "live", pinned: boolean, write: WriteContext): Promise<FlagState> {
    return this.#write(key, write, () => {
      this.pinned = pinned;
    });
  }

  async snapshot(): Promise<string> {
    if (this.unreadable) throw new TargetError("the provider is down", { outcomeUnknown: false });
    return JSON.stringify({ percent: this.percent, enabled: this.enabled });
  }

  restore(key: string, snapshot: string, write: WriteContext): Promise<FlagState> {
    return this.#write(key, write, () => Object.assign(this, JSON.parse(snapshot)));
  }

  async #write(key: string, write: WriteContext, change: () => void): Promise<FlagState> {
    this.asked.push(write);
    const { next } = this;
    this.next = null;
    if (next === "refuse") throw new TargetError("the provider refused", { outcomeUnknown: false });
    if (next === "lose-request") throw new TargetError("connection reset", { outcomeUnknown: true });
    if (next === "hang") return new Promise(() => {});
    const [flag] = await this.list();
    if (!flag || flag.key !== key) throw new TargetError(`no flag ${key}`, { outcomeUnknown: false });
    if (!this.#done.has(write.idempotencyKey)) {
      if (write.expected !== null && write.expected !== flag.fingerprint) throw new StateMovedError("moved");
      this.#done.add(write.idempotencyKey);
      change();
      this.writes.push(write.idempotencyKey);
    }
    if (next === "lose-response") throw new TargetError("the answer was lost", { outcomeUnknown: true });
    return (await this.list())[0] as FlagState;
  }
}

export const noDeploys: DeployTarget = {
  environment: "production",
  list: async () => [],
  get: async () => null,
  rollBack: () => Promise.reject(new TargetError("no deploys", { outcomeUnknown: false })),
  setVersion: (): Promise<DeployState> => Promise.reject(new TargetError("no deploys", { outcomeUnknown: false })),
};

/** A latency whose level the test sets as a function of time; steps at which it is null have no data. */
export function steppedMetrics(level: (at: number) => number | null, noise = 0.02): MetricSource {
  const random = seededRandom(7);
  const kept = new Map<number, number>();
  return {
    services: async () => ["shelf"],
    metrics: async () => [],
    query: async () => [],
    red: async ({ from, to, step, signal }: RedQuery): Promise<Series> => {
      const points = [];
      for (let at = Math.ceil(from / step) * step; at < to; at += step) {
        const wanted = level(at);
        if (wanted === null) continue;
        if (!kept.has(at)) kept.set(at, 1 + noise * gaussian(random));
        points.push({ at, value: signal === "rate" ? 10 : wanted * (kept.get(at) ?? 1) });
      }
      return { metric: "red", service: "shelf", labels: {}, unit: "s", points };
    },
  };
}
