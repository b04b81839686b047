import type { Evidence } from "./evidence.ts";
import { mineTemplates, poissonZ } from "./log-templates.ts";
import type { BeforeDuring, LogLine, Span } from "./types.ts";
import type { Weights } from "./weights.ts";

const ALARMING = /\b(error|fatal|panic|critical|severe|exception|traceback|warn|warning|fail|failed|failure)\b/i;
const MIN_Z = 2;
/** Share of the lines that must come with an operation; the rest are cut off at the edges of the recording. */
const ACCOMPANIED = 0.8;

interface Counted {
  before: number;
  during: number;
}

/** A kind of log line of one service: an alarming one that came more often than was to be expected, or one that came less often. */
export interface LogChange {
  readonly service: string;
  readonly template: string;
  readonly during: number;
  readonly expected: number;
  /** Signed, in standard deviations of a Poisson count; at least 2. */
  readonly z: number;
}

/** Missing lines weigh by the share that is missing. */
export function logEvidence(changes: readonly LogChange[], weights: Pick<Weights, "alarming" | "missing">): Evidence[] {
  return changes.map(({ service, template, during, expected, z }) => {
    const kind = z < 0 ? weights.missing * (1 - during / expected) ** 2 : weights.alarming;
    return {
      service,
      weight: kind * Math.log2(1 + Math.abs(z) - MIN_Z),
      reason: `log "${template.slice(0, 90)}" ${during} times where ${expected.toFixed(0)} were to be expected`,
    };
  });
}

/**
 * Kinds of log lines that appear, vanish or change rate. What a service logs follows what it is asked to do, so every count is
 * set against the operation of the same service that accompanies the line (same trace), not against the clock: a shifted mix of
 * requests is then no sign. Where nothing accompanies it, the number of requests in all is the measure. After Nezha (Yu et al. 2023), which aligns logs and
 * traces of the same request; templates by Drain (He et al. 2017). Assumes that lines of one template come as Poisson counts do at a given exposure.
 */
export function logChanges(logs: BeforeDuring<LogLine>, spans: BeforeDuring<Span> | undefined): LogChange[] {
  const operations = operationsByTrace(spans);
  const byService = new Map<string, { line: LogLine; during: boolean }[]>();
  for (const [lines, during] of [
    [logs.before, false],
    [logs.during, true],
  ] as const)
    for (const line of lines) {
      const known = byService.get(line.service) ?? [];
      if (known.length === 0) byService.set(line.service, known);
      known.push({ line, during });
    }
  const overall = Math.max(1, operations.traces.during) / Math.max(1, operations.traces.before);
  const share = operations.traces.before === 0 ? logs.during.length / Math.max(1, logs.before.length) : overall;
  return [...byService].flatMap(([service, lines]) =>
    mineTemplates(lines.map(({ line }) => line.message)).flatMap(({ template, lines: members }): LogChange[] => {
      const count: Counted = { before: 0, during: 0 };
      const together = new Map<string, number>();
      for (const member of members) {
        const { line, during } = lines[member] as { line: LogLine; during: boolean };
        if (during) count.during++;
        else count.before++;
        for (const operation of operations.of(service, line.trace)) together.set(operation, (together.get(operation) ?? 0) + 1);
      }
      const accompanied = [...together].filter(([, n]) => n >= ACCOMPANIED * members.length).map(([operation]) => operation);
      const exposures = accompanied.map((operation) => operations.count(service, operation)).filter(({ before }) => before > 0);
      // The operation that explains the count best takes it: only what none of them explains is a sign.
      const { exposure, z } = exposures
        .map((one) => ({ exposure: one.during / one.before, z: poissonZ(count.before, count.during, one.during / one.before) }))
        .sort((a, b) => Math.abs(a.z) - Math.abs(b.z))[0] ?? { exposure: share, z: poissonZ(count.before, count.during, share) };
      const alarming = ALARMING.test(template);
      // More chatter is no sign, fewer alarms are a good one, and what nothing accompanies may be missing for any reason.
      if (Math.abs(z) <= MIN_Z || z > 0 !== alarming || (z < 0 && exposures.length === 0)) return [];
      return [{ service, template, during: count.during, expected: count.before * exposure, z }];
    }),
  );
}

/** Which operations others asked a service for in each trace, and how often each was asked for. */
function operationsByTrace(spans: BeforeDuring<Span> | undefined) {
  const inTrace = new Map<string, Set<string>>();
  const counts = new Map<string, Counted>();
  const traces: Counted = { before: 0, during: 0 };
  for (const period of ["before", "during"] as const) {
    const seen = new Set<string>();
    const owner = new Map(spans?.[period].map(({ id, service }) => [id, service]));
    for (const { trace, parent, service, operation } of spans?.[period] ?? []) {
      if (!seen.has(trace)) traces[period]++;
      seen.add(trace);
      if (parent !== null && owner.get(parent) === service) continue;
      const key = `${trace}|${service}`;
      const known = inTrace.get(key) ?? new Set();
      inTrace.set(key, known);
      const counted = counts.get(`${service}|${operation}`) ?? { before: 0, during: 0 };
      counts.set(`${service}|${operation}`, counted);
      counted[period]++;
      known.add(operation);
    }
  }
  const nothing: ReadonlySet<string> = new Set();
  return {
    traces,
    of: (service: string, trace: string | undefined) => inTrace.get(`${trace}|${service}`) ?? nothing,
    count: (service: string, operation: string): Counted => counts.get(`${service}|${operation}`) ?? { before: 0, during: 0 },
  };
}
