import { type EpochMs, HOUR, MINUTE } from "../domain/time.ts";
import { DemoClock } from "./clock.ts";
import { type LogLine, OtlpExporter, type SpanLine } from "./export.ts";
import { type ShopFlags, shopFlags } from "./flags.ts";
import type { FromShop, ShopSettings, ToShop } from "./messages.ts";
import { MetricsEndpoint } from "./metrics-endpoint.ts";
import { seeded } from "./random.ts";
import { Shop } from "./simulate.ts";
import { MetricCollector, routineLogs, sampleTraces } from "./telemetry.ts";
import { World } from "./world.ts";

/** Traces and logs of the back-fill reach this far back; metrics reach all the way. */
const DETAIL = 6 * HOUR;
const CHUNK = 2 * HOUR;
const TRACES_A_MINUTE = 12;
const GAUGES_EVERY = 5 * MINUTE;
/** Minutes that the live loop sends at once when it has fallen behind. */
const MOST_AT_ONCE = 30;

/** The shop's own process: simulates, and sends OpenTelemetry data like any other shop. */
class ShopProcess {
  readonly #settings: ShopSettings;
  readonly #flags: ShopFlags;
  readonly #world: World;
  readonly #exposed: MetricsEndpoint | null;
  readonly #shop: Shop;
  readonly #random: () => number;
  readonly #exporter: OtlpExporter;
  #clock: DemoClock | null = null;
  #stopped = false;
  /** The next minute to simulate. */
  #next: EpochMs;

  constructor(settings: ShopSettings) {
    this.#settings = settings;
    const start = wholeMinute(settings.start);
    this.#next = Math.max(wholeMinute(settings.resumeFrom ?? 0), start - settings.historyDays * 24 * HOUR);
    const now = () => this.#clock?.now() ?? start;
    this.#flags = shopFlags(settings, now);
    this.#world = new World(settings.folder, settings.names, this.#flags, now);
    this.#random = seeded(settings.seed + Math.floor(start / MINUTE));
    this.#shop = new Shop(this.#random);
    this.#exposed = settings.metricsPort === null ? null : new MetricsEndpoint();
    this.#exporter = new OtlpExporter(settings.receiverUrl, () => this.#stopped);
  }

  async run(): Promise<void> {
    const start = wholeMinute(this.#settings.start);
    await this.#world.ensure(start);
    await this.#flags.ready();
    if (this.#settings.metricsPort !== null) await this.#exposed?.listen(this.#settings.metricsPort);
    const total = start - this.#next;
    const from = this.#next;
    while (this.#next < start && !this.#stopped) {
      await this.#send(Math.min(start, this.#next + CHUNK), start);
      tell({ type: "progress", done: this.#next - from, total });
    }
    this.#clock = DemoClock.set(this.#world.paths.clockFile, start, this.#settings.speed);
    tell({ type: "ready", play: this.#world.play });
    while (!this.#stopped) {
      const until = Math.floor(this.#clock.now() / MINUTE) * MINUTE;
      if (until > this.#next) await this.#send(Math.min(until, this.#next + MOST_AT_ONCE * MINUTE), null);
      await new Promise((resolve) => setTimeout(resolve, Math.max(50, (MINUTE / this.#settings.speed) * 0.25)));
    }
  }

  async play(scenario: Extract<ToShop, { type: "play" }>["scenario"]): Promise<void> {
    if (scenario === "reset") await this.#world.heal();
    else await this.#world.start(scenario);
  }

  get world(): World {
    return this.#world;
  }

  stop(): void {
    this.#stopped = true;
    this.#flags.close();
    this.#exposed?.close();
  }

  /** Simulates and sends the minutes up to `until`; `historyEnd` is set during the back-fill. */
  async #send(until: EpochMs, historyEnd: EpochMs | null): Promise<void> {
    const { names } = this.#settings;
    const collector = new MetricCollector(names);
    const spans: SpanLine[] = [];
    const logs: LogLine[] = [];
    const context = {
      names,
      random: this.#random,
      variantFor: (key: string, cohort: "live" | "test") => this.#world.variantFor(key, cohort),
      versionOf: (role: Parameters<World["versionOf"]>[0]) => this.#world.versionOf(role),
    };
    for (let at = this.#next; at < until; at += MINUTE) {
      const conditions = this.#world.conditions(at);
      const minute = this.#shop.minute(at, conditions);
      const detailed = historyEnd === null || at >= historyEnd - DETAIL;
      collector.add(minute, historyEnd === null || at % GAUGES_EVERY === 0);
      if (!detailed) continue;
      const sampled = sampleTraces(minute, conditions, TRACES_A_MINUTE, context);
      spans.push(...sampled.spans);
      logs.push(...sampled.logs, ...routineLogs(minute, names, this.#random));
    }
    await this.#exporter.spans(spans);
    await this.#exporter.logs(logs);
    const metrics = collector.take();
    // What was before the process began is in nobody's counters.
    if (historyEnd === null) {
      this.#exposed?.add(metrics, until);
      this.#exposed?.remember(spans);
    }
    if (this.#settings.sendMetrics) await this.#exporter.metrics(metrics);
    this.#next = until;
  }
}

const wholeMinute = (at: EpochMs): EpochMs => Math.floor(at / MINUTE) * MINUTE;

function tell(message: FromShop): void {
  if (process.connected) process.send?.(message);
}

const reason = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

let shop: ShopProcess | null = null;
process.on("message", (message: ToShop) => {
  if (message.type === "open") {
    shop = new ShopProcess(message.settings);
    shop.run().catch((error) => {
      tell({ type: "failed", error: reason(error) });
      process.exitCode = 1;
      process.disconnect();
    });
    return;
  }
  const playing = shop;
  if (!playing) return;
  const answer = (error: string | null) => tell({ type: "played", id: message.id, play: playing.world.play, error });
  playing.play(message.scenario).then(
    () => answer(null),
    (error) => answer(reason(error)),
  );
});
// The shop never outlives the app, however the app ended.
process.on("disconnect", () => {
  shop?.stop();
  process.exit();
});
// Ctrl-C reaches the whole group; the app decides when the shop closes.
process.on("SIGINT", () => {});
