import { compareTemplates } from "../diagnosis/log-templates.ts";
import type { ServiceName, Severity, TimeRange } from "../domain/telemetry.ts";
import { type Milliseconds, SECOND } from "../domain/time.ts";
import { cleanUntrusted } from "../domain/untrusted.ts";
import { splitNames } from "../knowledge/words.ts";
import { findingsOf } from "./findings.ts";
import type { Session } from "./session.ts";
import { matters } from "./statistics/series.ts";

const MOST_SERVICES = 6;
const MOST_LINES = 500;
const MOST_TEMPLATES = 12;
const MOST_METRICS = 6;
const LONGEST = 160;
const PATIENCE: Milliseconds = 5 * SECOND;
/** Standard deviations above the expected count from which a kind of line is more frequent. */
const MORE_FREQUENT = 2;
const FAILURES: ReadonlySet<Severity> = new Set(["ERROR", "FATAL"]);

/** What telemetry shows of a trouble, in words that a past incident may share. */
export interface Sign {
  readonly service: ServiceName;
  readonly words: string;
}

/** Mined once a session and service: the same logs are asked for by several searches. */
const mined = new WeakMap<Session, Map<ServiceName, Promise<readonly Template[]>>>();

interface Template extends Sign {
  readonly failure: boolean;
  readonly z: number;
}

/**
 * Warnings and errors of these services that are new or more frequent since the onset than before it, then the metrics that were found moved, names
 * as words. Without numbers and ids, since another time will have had others; text that tries to give instructions is left out.
 */
export async function signsOf(session: Session, services: readonly ServiceName[], signal: AbortSignal): Promise<Sign[]> {
  // Before anything is awaited: what runs beside this call is not waited for, so that the same calls find the same.
  const metrics = movedMetrics(session);
  const known = new Set(await session.services());
  const own = [...new Set([...(session.focus.service ? [session.focus.service] : []), ...services])]
    .filter((service) => known.has(service))
    .slice(0, MOST_SERVICES);
  const templates = (await Promise.all(own.map((service) => templatesOf(session, service, signal)))).flat();
  templates.sort((a, b) => Number(b.failure) - Number(a.failure) || b.z - a.z);
  return [
    ...once(templates)
      .slice(0, MOST_TEMPLATES)
      .map(({ service, words }) => ({ service, words })),
    ...metrics,
  ];
}

/** What several services say at once is one sign. */
function once<T extends Sign>(signs: readonly T[]): T[] {
  const first = new Map<string, T>();
  for (const one of signs) if (!first.has(one.words)) first.set(one.words, one);
  return [...first.values()];
}

function movedMetrics({ findings }: Session): Sign[] {
  const moved = findingsOf(findings, "metrics").flatMap(({ details: { service, series } }) =>
    series
      .filter((one) => one.signal === null && matters(one))
      .map((one) => ({
        service,
        words: `${splitNames(cleanUntrusted(one.name, LONGEST).text)} ${one.change > 0 ? "up" : "down"}`,
        z: Math.abs(one.z),
      })),
  );
  moved.sort((a, b) => b.z - a.z);
  return once(moved)
    .slice(0, MOST_METRICS)
    .map(({ service, words }) => ({ service, words }));
}

function templatesOf(session: Session, service: ServiceName, signal: AbortSignal): Promise<readonly Template[]> {
  const known = mined.get(session) ?? new Map<ServiceName, Promise<readonly Template[]>>();
  mined.set(session, known);
  const templates = known.get(service) ?? soon(mine(session, service, signal));
  known.set(service, templates);
  return templates;
}

/** What is there in time: a search must not wait for logs that are slow or cannot be read. */
async function soon(mining: Promise<readonly Template[]>): Promise<readonly Template[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Template[]>((resolve) => {
    timer = setTimeout(() => resolve([]), PATIENCE);
  });
  try {
    return await Promise.race([mining.catch(() => []), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function mine(session: Session, service: ServiceName, signal: AbortSignal): Promise<readonly Template[]> {
  const { before, during } = session;
  const [was, is] = await Promise.all([before, during].map((window) => failing(session, service, window, signal)));
  const exposure = (during.to - during.from) / (before.to - before.from);
  const severities = new Map([...(was ?? []), ...(is ?? [])].map(({ text, failure }) => [text, failure]));
  const texts = (lines: typeof is) => (lines ?? []).map(({ text }) => text);
  return compareTemplates(texts(was), texts(is), exposure).flatMap(({ template, example, before: old, during: now, z }) => {
    const failure = severities.get(example) ?? false;
    // One line of a failure that was never logged before says more than a hundred of a warning that always was.
    if (z < MORE_FREQUENT && !(failure && old === 0 && now > 0)) return [];
    const words = template.replaceAll("<*>", " ").replace(/\s+/g, " ").trim().slice(0, LONGEST);
    return words.includes(" ") ? [{ service, words, failure, z }] : [];
  });
}

async function failing(session: Session, service: ServiceName, window: TimeRange, signal: AbortSignal) {
  const lines = await session.deps.logs.logs({ service, minSeverity: "WARN", limit: MOST_LINES, ...window }, signal);
  return lines.flatMap(({ body, severity }) => {
    const { text, suspicious } = cleanUntrusted(body, 240);
    return suspicious ? [] : [{ text, failure: FAILURES.has(severity) }];
  });
}
