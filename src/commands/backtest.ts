import { writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { timelinePng, timelineSvg } from "../chat/timeline.ts";
import { loadConfig } from "../config.ts";
import type { MetricInfo, MetricPoint, RedSignal, Series } from "../domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, MINUTE, type Milliseconds, SECOND } from "../domain/time.ts";
import {
  type BacktestResult,
  type KnownIncident,
  type Reckoning,
  type RecordedGauge,
  Recording,
  reckon,
  backtest as replay,
} from "../flows/backtest/index.ts";
import { OperatorError } from "../operator-error.ts";
import { closeStores, openStores } from "../stores.ts";
import { openTelemetry } from "../wiring/telemetry.ts";
import { rowsOf, sampleOf, textOf, timeOf } from "./csv.ts";
import { type OutputOptions, print } from "./output.ts";

interface BacktestCommandOptions extends OutputOptions {
  readonly csv?: readonly string[];
  readonly days: number;
  readonly learnDays: number;
  readonly budget?: number;
  readonly incidents?: string;
  readonly picture?: string;
}

interface History {
  readonly recording: Recording;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly step: Milliseconds;
  readonly world: Parameters<typeof replay>[2];
}

const NO_WORLD: History["world"] = { graph: { nodes: [], edges: [] }, changes: { changes: async () => [] } };

/**
 * Replays history through the production watcher and says what would have been posted, when, and how noisy it would have been. History comes
 * from CSV files, or from where this Vigil reads its metrics (its own OTLP store, or Prometheus).
 *
 * JSON: `{"from","to","series","posts":[…],"forecasts":[…],"posts_per_week","time_in_incident","by_service":[…]}`, and with known incidents
 * `"known":{"found":[…],"missed":[…],"posts_beside":n}`; times in ISO 8601.
 */
export async function backtest(options: BacktestCommandOptions): Promise<void> {
  const config = loadConfig();
  const known = options.incidents ? await readIncidents(options.incidents) : null;
  const history = options.csv ? await fromCsv(options.csv) : await fromSources(config, options.days);
  const { recording, world, ...range } = history;
  const learn = options.learnDays * DAY;
  if (range.to - range.from <= learn + HOUR)
    throw new OperatorError(
      `There are ${((range.to - range.from) / DAY).toFixed(1)} days of history, of which ${options.learnDays} are learned from: nothing is left to replay. Lower --learn-days (2 at least are sensible), or give more history.`,
    );
  const falseAlarmsPerWeek = options.budget ?? config.detection.falseAlarmsPerWeek;
  const { holidays } = config.detection;
  const result = await replay(recording, { ...range, learn, falseAlarmsPerWeek, holidays, onProgress: progress }, world);
  const reckoning = known ? reckon(result, known) : null;
  const picture = options.picture ? resolve(options.picture) : null;
  if (picture) {
    const drawn = { ...result, known: known ?? [] };
    writeFileSync(picture, picture.endsWith(".png") ? await timelinePng(drawn) : timelineSvg(drawn));
  }
  print(options, asJson(result, reckoning, picture), () => asText(result, reckoning, picture, falseAlarmsPerWeek));
}

function progress(done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\rreplaying: ${((100 * done) / total).toFixed(0)} %${done >= total ? "\n" : ""}`);
}

async function fromSources(config: ReturnType<typeof loadConfig>, days: number): Promise<History> {
  const stores = await openStores(config);
  try {
    const warn = (message: string) => process.stderr.write(`vigil: ${message}\n`);
    const telemetry = openTelemetry(config, stores.telemetry, () => Date.now(), warn);
    try {
      const step = config.detection.stepSeconds * SECOND;
      const latest = await telemetry.latest();
      if (latest === null) throw new OperatorError("There is no telemetry to replay: send some, or give files with --csv FILE.");
      const to = Math.floor(latest / step) * step;
      const from = to - days * DAY;
      const recording = await Recording.of(telemetry.metrics, { from, to, step }, (done, total) => {
        if (process.stderr.isTTY) process.stderr.write(`\rreading services: ${done} of ${total}${done === total ? "\n" : ""}`);
      });
      const edges = await stores.telemetry.dependencies({ from, to });
      const changes = await stores.telemetry.changes({ from, to });
      const first = await firstSample(recording);
      return {
        recording,
        from: Math.max(from, first ?? from),
        to,
        step,
        world: {
          graph: { nodes: await recording.services(), edges },
          changes: {
            changes: async (query) =>
              changes
                .filter(({ at, services }) => at >= query.from && at < query.to && touches(services, query.services))
                .slice(0, query.limit ?? changes.length),
          },
        },
      };
    } finally {
      await telemetry.close();
    }
  } finally {
    await closeStores(stores);
  }
}

const touches = (services: readonly string[], wanted: readonly string[] | undefined): boolean =>
  wanted === undefined || services.length === 0 || services.some((one) => wanted.includes(one));

async function firstSample(recording: Recording): Promise<EpochMs | null> {
  const starts = (await recording.services()).flatMap((service) =>
    (["rate", "latency", "errors"] as const).flatMap((signal) => recording.points(service, signal)[0]?.at ?? []),
  );
  return starts.length === 0 ? null : Math.min(...starts);
}

const SIGNAL_WORDS: readonly (readonly [RedSignal, RegExp])[] = [
  ["latency", /latency|duration|response.?time/i],
  ["errors", /error|failure/i],
  ["rate", /rate|requests|traffic|throughput|rps/i],
];

/**
 * Tables with a time in the first column and a series in each other one, named `service|signal`. Signals that mean latency, errors (a share from
 * 0 to 1) or request rate are watched; other columns are gauges, which are forecast when they are of something that can run full. A file with the
 * columns `timestamp,value` is the latency of a service that is called like the file.
 */
async function fromCsv(files: readonly string[]): Promise<History> {
  const red = new Map<string, Series>();
  const gauges: RecordedGauge[] = [];
  const times = new Set<EpochMs>();
  for (const file of files) {
    const [header, ...rows] = rowsOf(file, await textOf(file));
    if (!header || header.length < 2)
      throw new OperatorError(
        `${file}: the header must be a time and series, for instance timestamp,checkout|latency,checkout|errors.`,
      );
    const at = rows.map((row, index) => timeOf(row[0] ?? "", file, index + 2));
    for (const one of at) times.add(one);
    for (const [column, name] of header.entries()) {
      if (column === 0) continue;
      const [service = "", metric = "latency"] =
        name.toLowerCase() === "value" ? [basename(file).replace(/\.csv(\.gz)?$/i, "")] : name.split("|");
      if (service === "") throw new OperatorError(`${file}, line 1: column ${column + 1} has no name: call it service|signal.`);
      const points = rows
        .flatMap((row, index): MetricPoint[] => {
          const value = sampleOf(row[column] ?? "", file, index + 2);
          return value === null ? [] : [{ at: at[index] ?? 0, value }];
        })
        .sort((a, b) => a.at - b.at);
      const signal = SIGNAL_WORDS.find(([, pattern]) => pattern.test(metric))?.[0];
      const series: Series = { metric, service, labels: {}, unit: "", points };
      if (signal) red.set(Recording.key(service, signal), series);
      else gauges.push({ info: gaugeOf(service, metric, points), series });
    }
  }
  const ordered = [...times].sort((a, b) => a - b);
  const step = stepOf(ordered);
  const aligned = new Map([...red].map(([key, series]) => [key, { ...series, points: onSteps(series.points, step) }]));
  return {
    recording: new Recording(aligned, gauges),
    from: ordered[0] ?? 0,
    to: (ordered.at(-1) ?? 0) + step,
    step,
    world: NO_WORLD,
  };
}

/** A gauge that never leaves 0 to 1 is a share. */
const gaugeOf = (service: string, metric: string, points: readonly MetricPoint[]): MetricInfo => ({
  metric,
  kind: "gauge",
  unit: points.every(({ value }) => value >= 0 && value <= 1) ? "1" : "",
  services: [service],
  labelKeys: [],
});

function stepOf(times: readonly EpochMs[]): Milliseconds {
  const distances = times.slice(1).map((at, index) => at - (times[index] ?? at));
  const middle = distances.sort((a, b) => a - b)[distances.length >> 1];
  if (middle === undefined) throw new OperatorError("The files hold fewer than two times: give a history of some days.");
  return Math.max(10 * SECOND, middle);
}

/** The last sample of every step, at the step's start, as sources answer. */
function onSteps(points: readonly MetricPoint[], step: Milliseconds): MetricPoint[] {
  const kept = new Map(points.map(({ at, value }) => [Math.floor(at / step) * step, value]));
  return [...kept].map(([at, value]) => ({ at, value }));
}

async function readIncidents(file: string): Promise<KnownIncident[]> {
  const [header = [], ...rows] = rowsOf(file, await textOf(file));
  const names = header.map((name) => name.toLowerCase());
  const [start, end, name] = ["start", "end", "name"].map((column) => names.indexOf(column));
  if (start === undefined || end === undefined || start < 0 || end < 0)
    throw new OperatorError(`--incidents ${file}, line 1: the columns start and end are needed, and name if you like.`);
  return rows.map((row, index) => ({
    from: timeOf(row[start] ?? "", file, index + 2),
    to: timeOf(row[end] ?? "", file, index + 2),
    name: row[name ?? -1] ?? `incident ${index + 1}`,
  }));
}

const iso = (at: EpochMs): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, "Z");
const minute = (at: EpochMs): string => iso(at).replace("T", " ").slice(0, 16);

function asJson(result: BacktestResult, reckoning: Reckoning | null, picture: string | null): object {
  return {
    from: iso(result.range.from),
    to: iso(result.range.to),
    series: result.series,
    posts: result.posts.map(({ at, startedAt, resolvedAt, title, services, signal, kind, relativeChange, score, changes }) => ({
      at: iso(at),
      started: iso(startedAt),
      resolved: resolvedAt === null ? null : iso(resolvedAt),
      title,
      services,
      signal,
      kind,
      change: Number(relativeChange.toFixed(4)),
      score: Number(score.toFixed(3)),
      changes: changes.map((change) => ({ at: iso(change.at), kind: change.kind, subject: change.subject })),
    })),
    forecasts: result.forecasts.map(({ at, text }) => ({ at: iso(at), text })),
    posts_per_week: Number(result.postsPerWeek.toFixed(2)),
    time_in_incident: Number(result.timeInIncident.toFixed(4)),
    by_service: result.byService,
    ...(reckoning
      ? {
          known: {
            found: reckoning.found.map(({ incident, post, delay }) => ({
              name: incident.name,
              posted: iso(post.at),
              delay_minutes: Math.round(delay / MINUTE),
            })),
            missed: reckoning.missed.map(({ name, from }) => ({ name, start: iso(from) })),
            posts_beside: reckoning.others.length,
          },
        }
      : {}),
    ...(picture ? { picture } : {}),
  };
}

function asText(result: BacktestResult, reckoning: Reckoning | null, picture: string | null, budget: number): string {
  const { range, posts, forecasts } = result;
  const days = ((range.to - range.from) / DAY).toFixed(1);
  const lines = [
    `Replayed ${days} days of ${result.series} series, ${minute(range.from)} to ${minute(range.to)} UTC, with ${budget} accepted false alarms a week.`,
    "",
    ...(posts.length === 0 ? ["Nothing would have been posted."] : []),
    ...posts.map(({ at, title, relativeChange, kind, resolvedAt, services, changes }) =>
      [
        `${minute(at)}  ${title} (${kind}, ${relativeChange >= 0 ? "+" : ""}${(100 * relativeChange).toFixed(0)} %), ${resolvedAt === null ? "still on at the end" : `over ${minute(resolvedAt)}`}`,
        ...(services.length > 1 ? [`                  with ${services.slice(1).join(", ")}`] : []),
        ...changes.map((change) => `                  shortly before: ${change.kind} ${change.subject} at ${minute(change.at)}`),
      ].join("\n"),
    ),
    ...forecasts.map(({ at, text }) => `${minute(at)}  ${text}`),
    "",
    `${result.postsPerWeek.toFixed(1)} posts a week; in an incident ${(100 * result.timeInIncident).toFixed(1)} % of the time.`,
    ...(result.byService.length > 0
      ? [
          `Noisiest: ${result.byService
            .slice(0, 5)
            .map(({ service, posts: count }) => `${service} ${count}`)
            .join(", ")}.`,
        ]
      : []),
  ];
  if (reckoning) {
    const delays = reckoning.found.map(({ delay }) => delay).sort((a, b) => a - b);
    const middle = delays[delays.length >> 1];
    lines.push(
      `Known incidents: ${reckoning.found.length} found${middle === undefined ? "" : ` (median ${Math.round(middle / MINUTE)} min after their start)`}, ${reckoning.missed.length} missed${reckoning.missed.length > 0 ? ` (${reckoning.missed.map(({ name }) => name).join(", ")})` : ""}; ${reckoning.others.length} posts beside them.`,
    );
  }
  if (picture) lines.push(`Picture: ${picture}`);
  return lines.join("\n");
}
