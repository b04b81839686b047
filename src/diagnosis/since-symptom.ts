import type { BeforeDuring, DiagnosisInput, LogLine, Span } from "./types.ts";

/** With less than this share of the recording after the symptom, the whole of it is more telling. */
const ENOUGH = 0.1;

/**
 * Leaves out of an incident's logs and spans what happened before its symptom: a recording usually starts a little early, and its normal
 * beginning would dilute what changed. A trace counts by its first span, and a line by its trace, so that no request is cut in two.
 * Assumes that the symptom is not reported long after the trouble is over.
 */
export function sinceSymptom(input: DiagnosisInput): Pick<DiagnosisInput, "logs" | "spans"> {
  const started = new Map<string, number>();
  for (const { trace, start } of input.spans?.during ?? [])
    if (start < (started.get(trace) ?? Number.POSITIVE_INFINITY)) started.set(trace, start);
  const { at } = input.symptom;
  const after = (trace: string | undefined, time: number) => ((trace && started.get(trace)) || time) >= at;
  return {
    ...(input.logs ? { logs: shortened(input.logs, (line: LogLine) => after(line.trace, line.at)) } : {}),
    ...(input.spans ? { spans: shortened(input.spans, (span: Span) => after(span.trace, span.start)) } : {}),
  };
}

function shortened<T>({ before, during }: BeforeDuring<T>, after: (one: T) => boolean): BeforeDuring<T> {
  const kept = during.filter(after);
  return { before, during: kept.length < ENOUGH * during.length ? during : kept };
}
