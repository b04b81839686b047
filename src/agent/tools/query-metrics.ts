import { z } from "zod";
import { lookAddress } from "../../domain/look-address.ts";
import { nearest } from "../../domain/nearest.ts";
import type { Exemplar, MetricInfo, RedSignal, Series, ServiceName, Statistic, TimeRange } from "../../domain/telemetry.ts";
import { DAY, MINUTE, type Milliseconds, WEEK } from "../../domain/time.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import type { SeriesFinding } from "../findings.ts";
import type { Session } from "../session.ts";
import { compare, matters } from "../statistics/series.ts";
import { utc, utcClock } from "../time-words.ts";
import { number, percent, quantity } from "../words.ts";
import { defineTool, knownService, range, ToolUseError } from "./kit.ts";

export const RED_SIGNALS = ["rate", "errors", "latency", "latency_p95"] as const;
const UNITS: Readonly<Record<RedSignal, string>> = { rate: "{request}/s", errors: "1", latency: "s", latency_p95: "s" };
/** What a window may be held against beside the time just before it. */
const BACK = {
  yesterday: { by: DAY, words: "the same time the day before" },
  last_week: { by: WEEK, words: "the same time last week" },
} as const;
const MOST_METRICS = 24;
const MOST_EXAMPLES = 3;

const schema = z.object({
  service: z.string().min(1).max(200).describe("exact service name"),
  signal: z
    .enum(RED_SIGNALS)
    .optional()
    .describe("one RED signal; leave out signal and metric to compare all signals and resource metrics of the service"),
  metric: z.string().max(200).optional().describe("one other metric by its exact name"),
  from: z.string().max(40).optional().describe("ISO 8601 UTC, 02:00 or -2h; default: when the incident began"),
  to: z.string().max(40).optional().describe("default: now"),
  compareWith: z.enum(["before", "yesterday", "last_week"]).default("before").describe("window to compare with"),
});

export const queryMetrics = defineTool({
  name: "query_metrics",
  description:
    "Statistics of a service's RED signals (rate, errors, latency, latency_p95) or resource metrics during a window against the window before it or the same time last week. With only a service: everything it reports, most changed first.",
  schema,
  title: ({ service, signal, metric }) => `Metrics of ${service}${signal || metric ? `: ${signal ?? metric}` : ""}`,
  async run(args, session, signal) {
    const service = await knownService(args.service, session);
    const during = range(args, session, session.during);
    const length = during.to - during.from;
    const baseline: TimeRange =
      args.compareWith !== "before"
        ? { from: during.from - BACK[args.compareWith].by, to: during.to - BACK[args.compareWith].by }
        : args.from === undefined
          ? session.before
          : { from: during.from - Math.max(length, 30 * MINUTE), to: during.from };
    const series = await read(args, service, during, baseline, session, signal);
    const sorted = [...series].sort((a, b) => Number(matters(b)) - Number(matters(a)) || Math.abs(b.z) - Math.abs(a.z));
    const shown = sorted.filter(({ during: { count } }) => count > 0).slice(0, MOST_METRICS);
    const against =
      args.compareWith !== "before" ? BACK[args.compareWith].words : `${utcClock(baseline.from)}–${utcClock(baseline.to)}`;
    if (shown.length === 0) {
      return {
        evidence: {
          title: `${service}: no metrics`,
          summary: `${service} reported no such metric from ${utc(during.from)} to ${utc(during.to)}.`,
          facts: { service },
          services: [service],
          link: null,
          suspicious: false,
        },
        details: { kind: "metrics", service, series: [] },
      };
    }
    const examples = await slowExamples(service, during, session, signal);
    const changed = shown.filter((one) => matters(one));
    const facts: Record<string, string | number> = { service, from: utc(during.from), to: utc(during.to) };
    for (const one of shown) {
      facts[`${one.name}.mean`] = Number(one.during.mean.toPrecision(4));
      facts[`${one.name}.before`] = Number(one.before.mean.toPrecision(4));
      facts[`${one.name}.change_percent`] = Number((one.change * 100).toFixed(1));
    }
    const lead =
      changed.length > 0
        ? `moved: ${changed.slice(0, 3).map(short).join(", ")}`
        : shown.some(({ z }) => Math.abs(z) >= 4)
          ? "nothing moved by 5 % or more"
          : "nothing moved beyond its noise";
    return {
      evidence: {
        title: `${service}: ${args.signal ?? args.metric ?? "metrics"} against ${against}`,
        summary: [
          `${service} ${utcClock(during.from)}–${utcClock(during.to)} against ${against}: ${lead}.`,
          ...shown.map(metricLine),
          ...examples.map(
            ({ traceId, value, at }) => `- slow example: trace ${traceId}, ${quantity(value, "s")} at ${utcClock(at)}`,
          ),
          ...(sorted.length > shown.length
            ? [`${sorted.length - shown.length} more metrics were cut; ask for one by name.`]
            : []),
        ].join("\n"),
        facts,
        services: [service],
        link: lookAddress(`/services/${encodeURIComponent(service)}`, during, { signal: args.signal, metric: args.metric }),
        suspicious: false,
      },
      details: { kind: "metrics", service, series: sorted },
    };
  },
});

/** Requests that the durations' buckets point at, where the source keeps some: whole traces to look at next. */
async function slowExamples(
  service: ServiceName,
  during: TimeRange,
  session: Session,
  signal: AbortSignal,
): Promise<readonly Exemplar[]> {
  const found = await session.deps.metrics.exemplars?.({ service, ...during, limit: MOST_EXAMPLES }, signal).catch(() => []);
  return (found ?? []).map((one) => ({ ...one, traceId: cleanUntrusted(one.traceId, 64).text }));
}

function short(one: SeriesFinding): string {
  return `${one.name} ${percent(one.change)}`;
}

/** `- latency: 53 ms (before 48 ms, +12 %, 18 standard errors, max 54 ms, moved about 02:47 UTC)`. */
export function metricLine(one: SeriesFinding): string {
  const moved = one.movedAt === null ? "" : `, moved about ${utcClock(one.movedAt)}`;
  const sure = Math.abs(one.z) < 4 ? "within its noise" : `${number(Math.abs(one.z))} standard errors`;
  return `- ${one.name}: ${quantity(one.during.mean, one.unit)} (before ${quantity(one.before.mean, one.unit)}, ${percent(one.change)}, ${sure}, max ${quantity(one.during.max, one.unit)}${moved})`;
}

async function read(
  args: z.output<typeof schema>,
  service: ServiceName,
  during: TimeRange,
  baseline: TimeRange,
  session: Session,
  signal: AbortSignal,
): Promise<SeriesFinding[]> {
  const { metrics } = session.deps;
  const shift = during.from - baseline.from;
  const red = async (one: RedSignal): Promise<SeriesFinding> => {
    const [was, is] = await Promise.all(
      [baseline, during].map((window) => metrics.red({ service, signal: one, step: session.step, ...window }, signal)),
    );
    const found = finding(one, one, null, is?.unit || UNITS[one], was, is);
    return args.signal ? drawn(found, was, is, shift) : found;
  };
  if (args.signal) return [await red(args.signal)];
  const infos = await metrics.metrics(service);
  const other = async (info: MetricInfo): Promise<SeriesFinding> => {
    const statistic: Statistic = info.kind === "sum" ? "rate" : "avg";
    const [was, is] = await Promise.all(
      [baseline, during].map(
        async (window) =>
          (await metrics.query({ metric: info.metric, service, step: session.step, statistic, ...window }, signal))[0],
      ),
    );
    const unit = info.kind === "sum" && info.unit ? `${info.unit}/s` : info.unit;
    const found = finding(info.metric, null, info.kind, unit, was, is);
    return args.metric ? drawn(found, was, is, shift) : found;
  };
  if (args.metric) {
    const info = infos.find(({ metric }) => metric === args.metric);
    if (!info) {
      const names = nearest(
        args.metric,
        infos.map(({ metric }) => metric),
      );
      throw new ToolUseError(`${service} has no metric "${args.metric}". Nearest: ${names.join(", ") || "it reports none"}.`);
    }
    return [await other(info)];
  }
  const settled = await Promise.allSettled([
    ...RED_SIGNALS.map(red),
    ...infos
      .filter(({ kind }) => kind !== "histogram")
      .slice(0, 60)
      .map(other),
  ]);
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

function finding(
  name: string,
  signal: RedSignal | null,
  kind: SeriesFinding["kind"],
  unit: string,
  before: Series | undefined,
  during: Series | undefined,
): SeriesFinding {
  return { name, signal, kind, unit, ...compare(before?.points ?? [], during?.points ?? []) };
}

/** Keeps the course of the one series that was asked for, so that it can be drawn. */
function drawn(one: SeriesFinding, before: Series | undefined, during: Series | undefined, shift: Milliseconds): SeriesFinding {
  return { ...one, course: { during: during?.points ?? [], baseline: before?.points ?? [], shift } };
}
