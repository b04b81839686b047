import type { ServiceEdge, ServiceName, Span, TraceQuery } from "../domain/telemetry.ts";

/** What a query asks of spans, for backends that find whole traces. */
export function selected(spans: readonly Span[], query: TraceQuery): Span[] {
  return spans
    .filter(
      ({ service, start, duration, error, traceId }) =>
        (query.service === undefined || service === query.service) &&
        (query.traceId === undefined || traceId === query.traceId) &&
        start >= query.from &&
        start < query.to &&
        duration >= (query.minDuration ?? 0) &&
        (error || !query.errorsOnly),
    )
    .sort((a, b) => b.duration - a.duration)
    .slice(0, query.limit);
}

/** Who called whom in whole traces: a span whose parent is another service's; a client span that nothing answered names its peer itself. */
export function edgesOf(spans: readonly Span[]): ServiceEdge[] {
  const byId = new Map(spans.map((span) => [`${span.traceId} ${span.spanId}`, span]));
  const answered = new Set<string>();
  const calls = new Map<string, number>();
  const count = (caller: ServiceName, callee: ServiceName) => {
    const key = JSON.stringify([caller, callee]);
    calls.set(key, (calls.get(key) ?? 0) + 1);
  };
  for (const span of spans) {
    const parent = span.parentId === null ? undefined : byId.get(`${span.traceId} ${span.parentId}`);
    if (!parent || parent.service === span.service) continue;
    answered.add(`${parent.traceId} ${parent.spanId}`);
    count(parent.service, span.service);
  }
  for (const span of spans) {
    if (span.kind !== "client" || answered.has(`${span.traceId} ${span.spanId}`)) continue;
    const peer = span.attributes["peer.service"] ?? span.attributes["server.address"];
    if (peer && peer !== span.service) count(span.service, peer);
  }
  return [...calls]
    .map(([key, number]) => {
      const [caller = "", callee = ""] = JSON.parse(key) as string[];
      return { caller, callee, calls: number };
    })
    .sort((a, b) => (a.caller < b.caller ? -1 : a.caller > b.caller ? 1 : a.callee < b.callee ? -1 : 1));
}
