import type { Span } from "../../domain/telemetry.ts";
import type { Milliseconds } from "../../domain/time.ts";

/** One span of a trace's critical path. */
export interface PathStep {
  readonly span: Span;
  readonly depth: number;
  /** Its duration without what its children took, overlaps counted once. */
  readonly self: Milliseconds;
}

/**
 * The critical path of one trace: from the root to the child that ends last, again and again; what is on it must get faster for the whole to get
 * faster (after Barford and Crovella, "Critical path analysis of TCP transactions", 2001).
 */
export function criticalPath(spans: readonly Span[]): PathStep[] {
  const children = new Map<string, Span[]>();
  const known = new Set(spans.map(({ spanId }) => spanId));
  for (const span of spans) {
    if (span.parentId === null || !known.has(span.parentId)) continue;
    children.set(span.parentId, [...(children.get(span.parentId) ?? []), span]);
  }
  const roots = spans.filter(({ parentId }) => parentId === null || !known.has(parentId));
  const path: PathStep[] = [];
  const seen = new Set<string>();
  let next = latest(roots, (span) => span.duration);
  while (next && !seen.has(next.spanId)) {
    seen.add(next.spanId);
    const own = children.get(next.spanId) ?? [];
    path.push({ span: next, depth: path.length, self: Math.max(0, next.duration - covered(next, own)) });
    next = latest(own, ({ start, duration }) => start + duration);
  }
  return path;
}

function latest(spans: readonly Span[], of: (span: Span) => number): Span | undefined {
  return spans.reduce<Span | undefined>((best, one) => (best === undefined || of(one) > of(best) ? one : best), undefined);
}

/** How much of a span its children cover. */
function covered(parent: Span, children: readonly Span[]): Milliseconds {
  let [total, until] = [0, parent.start];
  for (const { start, duration } of [...children].sort((a, b) => a.start - b.start)) {
    const [from, to] = [Math.max(start, until), Math.min(start + duration, parent.start + parent.duration)];
    if (to > from) total += to - from;
    until = Math.max(until, to);
  }
  return total;
}
