import { z } from "zod";
import { lookAddress } from "../../domain/look-address.ts";
import type { ServiceName, Span, TimeRange } from "../../domain/telemetry.ts";
import { HOUR } from "../../domain/time.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import type { Session } from "../session.ts";
import { type AttributeContrast, contrast, isTelling } from "../statistics/contrast.ts";
import { criticalPath, type PathStep } from "../statistics/trace-path.ts";
import { utcClock } from "../time-words.ts";
import { number, percent } from "../words.ts";
import { defineTool, knownService, range, type ToolResult, ToolUseError } from "./kit.ts";
import { sampleSpans } from "./sample-spans.ts";

const PER_SLICE = 1_000;

export const fetchTraces = defineTool({
  name: "fetch_traces",
  description:
    "Spans of a service since the incident began: durations and failures by operation, and which attribute values (feature flag variants, versions, others) the slow or failing requests share, compared with the other requests of the same minutes. With a trace id: where the time of that one request went, across services.",
  schema: z.object({
    service: z.string().min(1).max(200).describe("exact service name"),
    from: z.string().max(40).optional().describe("ISO 8601 UTC, 02:00 or -2h; default: when the incident began"),
    to: z.string().max(40).optional().describe("default: now"),
    slowerThan: z.number().positive().max(3_600_000).optional().describe("ms; also name the slowest requests above this"),
    trace: z.string().min(1).max(64).optional().describe("id of one trace, as this tool names it, to look into it"),
  }),
  title: ({ service, trace }) => (trace ? `Trace ${trace.slice(0, 16)}` : `Traces of ${service}: what do slow requests share?`),
  async run({ service: name, from, to, slowerThan, trace }, session, signal) {
    const service = await knownService(name, session);
    const window = range({ from, to }, session, session.during);
    if (trace !== undefined) return oneTrace(trace, service, window, session, signal);
    const spans = await sampleSpans(session.deps.traces, service, window, PER_SLICE, signal);
    const contrasts = contrast(spans);
    const telling = contrasts.filter(isTelling);
    const flags = contrasts.filter(({ key }) => key.startsWith("feature_flag:"));
    const shown = [...new Set([...telling.slice(0, 6), ...flags.slice(0, 6)])];
    const byOperation = operations(spans);
    const facts: Record<string, string | number> = { service, spans: spans.length };
    shown.forEach((one) => {
      facts[`${one.key}=${one.value}.slower_percent`] = Number((one.slower * 100).toFixed(1));
      facts[`${one.key}=${one.value}.failing_points`] = Number((one.failing * 100).toFixed(2));
      facts[`${one.key}=${one.value}.spans`] = one.samples.with;
    });
    const [worst] = spans.toSorted((a, b) => b.duration - a.duration);
    const head =
      telling.length > 0
        ? `${service}: requests with ${describe(telling[0] as AttributeContrast)}`
        : `${service}: ${spans.length} spans, no attribute value sets slow or failing requests apart.`;
    const above = slowerThan === undefined ? [] : slowest(spans, slowerThan);
    const text = [
      head,
      ...above,
      ...shown.slice(telling.length > 0 ? 1 : 0).map((one) => `- ${describe(one)}`),
      ...byOperation.slice(0, 5).map((one) => `- ${one}`),
      ...(worst ? [`Slowest: trace ${worst.traceId}, ${worst.operation}, ${number(worst.duration)} ms.`] : []),
    ].join("\n");
    const { text: summary, suspicious } = cleanUntrusted(text, 2_400);
    return {
      evidence: {
        title: `${service}: traces ${utcClock(window.from)}–${utcClock(window.to)}`,
        summary,
        facts,
        services: [service],
        link: worst ? lookAddress("/traces", window, { service }) : null,
        suspicious,
      },
      details: { kind: "traces", service, spans: spans.length, contrasts },
    };
  },
});

const LONGEST_PATH = 14;
const MOST_SPANS = 2_000;

/** Where the time of one request went: its critical path over all services. */
async function oneTrace(
  traceId: string,
  service: ServiceName,
  window: TimeRange,
  session: Session,
  signal: AbortSignal,
): Promise<ToolResult> {
  const around = { from: window.from - HOUR, to: window.to + HOUR };
  const spans = await session.deps.traces.spans({ traceId, ...around, limit: MOST_SPANS }, signal);
  if (spans.length === 0)
    throw new ToolUseError(`There is no trace "${traceId.slice(0, 64)}" in this window; take an id that fetch_traces names.`);
  const path = criticalPath(spans);
  const most = path.reduce((worst, one) => (one.self > worst.self ? one : worst), path[0] as PathStep);
  const lines = path.slice(0, LONGEST_PATH).map(({ span, depth, self }) => {
    const failed = span.error ? ", failed" : "";
    return `${"  ".repeat(Math.min(depth, 6))}- ${span.service} ${span.operation}: ${number(span.duration)} ms, itself ${number(self)} ms${failed}`;
  });
  const text = [
    `Trace ${traceId}: ${number(path[0]?.span.duration ?? 0)} ms; most of it in ${most.span.service} ${most.span.operation} (${number(most.self)} ms itself).`,
    ...lines,
    ...(path.length > LONGEST_PATH ? [`${path.length - LONGEST_PATH} deeper steps were cut.`] : []),
    `${spans.length} spans; only the critical path is shown.`,
  ].join("\n");
  const { text: summary, suspicious } = cleanUntrusted(text, 2_400);
  const services = [...new Set(path.map(({ span }) => span.service))];
  const facts = { trace: traceId, spans: spans.length, first: most.span.service, itself_ms: Number(most.self.toPrecision(4)) };
  return {
    evidence: {
      title: `Trace ${traceId.slice(0, 16)}: critical path`,
      summary,
      facts,
      services,
      link: lookAddress(`/traces/${encodeURIComponent(traceId)}`, window),
      suspicious,
    },
    details: { kind: "traces", service, spans: spans.length, contrasts: [] },
  };
}

function describe(one: AttributeContrast): string {
  const what = one.key.startsWith("feature_flag:")
    ? `flag ${one.key.slice(13)} at variant ${one.value}`
    : `${one.key}=${one.value}`;
  const effect = Math.abs(one.failing) >= 0.01 ? `, failures ${percent(one.failing)} points` : "";
  return `${what}: duration ${percent(one.slower)}${effect} against the rest (${one.samples.with} and ${one.samples.without} spans, ${number(Math.abs(one.z))} standard errors)`;
}

const SLOWEST = 5;

/** The slowest requests above `limit` ms, one line for each trace. */
function slowest(spans: readonly Span[], limit: number): string[] {
  const above = spans.filter(({ duration }) => duration > limit).sort((a, b) => b.duration - a.duration);
  const traces = [...new Map(above.toReversed().map((one) => [one.traceId, one])).values()].sort(
    (a, b) => b.duration - a.duration,
  );
  return [
    `${traces.length} of the ${new Set(spans.map(({ traceId }) => traceId)).size} traces looked at took more than ${number(limit)} ms here.`,
    ...traces
      .slice(0, SLOWEST)
      .map((one) => `- trace ${one.traceId}, ${one.operation}, ${number(one.duration)} ms at ${utcClock(one.start)}`),
  ];
}

function operations(spans: readonly Span[]): string[] {
  const groups = new Map<string, Span[]>();
  for (const one of spans) {
    const group = groups.get(one.operation);
    if (group) group.push(one);
    else groups.set(one.operation, [one]);
  }
  return [...groups]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([operation, group]) => {
      const durations = group.map(({ duration }) => duration).sort((a, b) => a - b);
      const at = (share: number) => durations[Math.min(durations.length - 1, Math.floor(share * durations.length))] ?? 0;
      const failed = group.filter(({ error }) => error).length;
      return `${operation}: p50 ${number(at(0.5))} ms, p95 ${number(at(0.95))} ms, ${failed} of ${group.length} failed`;
    });
}
