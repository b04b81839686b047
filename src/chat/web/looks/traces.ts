import { criticalPath } from "../../../agent/statistics/trace-path.ts";
import { number } from "../../../agent/words.ts";
import { lookAddress } from "../../../domain/look-address.ts";
import type { Span, TimeRange } from "../../../domain/telemetry.ts";
import { HOUR } from "../../../domain/time.ts";
import { plain } from "../../text.ts";
import { escaped } from "../html.ts";
import { MOST_ROWS, type Readable, type View } from "./view.ts";
import { anchor, moves, windowOf, windowText } from "./window.ts";

/** The slowest requests of a window, one line for each trace. */
export async function tracesView(read: Readable, query: URLSearchParams): Promise<View> {
  const window = windowOf(query, read.now());
  const service = query.get("service");
  const failed = query.get("errors") === "1";
  const spans = await read.traces.spans({
    ...window,
    limit: MOST_ROWS,
    ...(service ? { service } : {}),
    ...(failed ? { errorsOnly: true } : {}),
  });
  // Slowest first, so the first span of a trace is its slowest here.
  const slowest = new Map<string, Span>();
  for (const span of spans) if (!slowest.has(span.traceId)) slowest.set(span.traceId, span);
  const here = (other: TimeRange, errors: boolean) => lookAddress("/traces", other, { service, errors: errors ? "1" : null });
  const rows = [...slowest.values()].map(({ traceId, start, service: of, operation, duration, error }) => {
    const open = anchor(lookAddress(`/traces/${encodeURIComponent(traceId)}`, window), traceId.slice(0, 16));
    const cells = [utcSeconds(start), `${number(duration)} ms`, plain(`${of} ${operation}`, 200), error ? "failed" : ""];
    return `<tr${error ? ' class="level-error"' : ""}>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}<td>${open}</td></tr>`;
  });
  return {
    heading: `${failed ? "Failed" : "Slowest"} requests ${service ? `of ${plain(service, 100)}` : "of all services"}, ${windowText(window)}`,
    nav: [
      failed ? anchor(here(window, false), "slowest") : "<strong>slowest</strong>",
      failed ? "<strong>failed</strong>" : anchor(here(window, true), "failed"),
      moves(window, read.now(), (moved) => here(moved, failed)),
      ...(service ? [anchor(lookAddress(`/services/${encodeURIComponent(service)}`, window), "metrics")] : []),
    ].join(" · "),
    main:
      rows.length === 0
        ? `<p>No ${failed ? "failed " : ""}request was recorded in this window.</p>`
        : `<table class="lines"><thead><tr><th>UTC</th><th>took</th><th>request</th><th></th><th>trace</th></tr></thead><tbody>${rows.join("")}</tbody></table>`,
  };
}

/** One request over all services: each span with where in the whole it lies, and what of its time is its own. Null where there is none. */
export async function traceView(read: Readable, traceId: string, query: URLSearchParams): Promise<View | null> {
  const window = windowOf(query, read.now());
  const around = { from: window.from - HOUR, to: window.to + HOUR };
  const spans = await read.traces.spans({ traceId, ...around, limit: 2_000 });
  if (spans.length === 0) return null;
  const own = new Map(criticalPath(spans).map(({ span, self }) => [span.spanId, self]));
  const start = Math.min(...spans.map((span) => span.start));
  const whole = Math.max(1, Math.max(...spans.map((span) => span.start + span.duration)) - start);
  const rows = inOrder(spans)
    .slice(0, MOST_ROWS)
    .map(({ span, depth }) => {
      const self = own.get(span.spanId);
      const share = (value: number) => ((100 * value) / whole).toFixed(2);
      const bar = `<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect x="${share(span.start - start)}" y="0" width="${Math.max(0.6, (100 * span.duration) / whole).toFixed(2)}" height="8"/></svg>`;
      const name = `${"\u00a0\u00a0".repeat(Math.min(depth, 8))}${plain(`${span.service} ${span.operation}`, 200)}${span.error ? " ✗ failed" : ""}`;
      return `<tr class="${[span.error ? "level-error" : "", self === undefined ? "" : "critical"].join(" ").trim()}"><td>${escaped(name)}</td><td>${escaped(`${number(span.duration)} ms`)}</td><td>${self === undefined ? "" : escaped(`${number(self)} ms`)}</td><td>${bar}</td></tr>`;
    });
  const cut = spans.length > MOST_ROWS ? `<p>${spans.length - MOST_ROWS} more spans were cut.</p>` : "";
  return {
    heading: `Trace ${plain(traceId, 64)}, ${number(whole)} ms`,
    nav: [...new Set(spans.map(({ service }) => service))]
      .slice(0, 12)
      .map((service) => anchor(lookAddress(`/services/${encodeURIComponent(service)}`, window), plain(service, 60)))
      .join(" · "),
    main: `<p>It began ${new Date(start).toISOString().slice(0, 10)} ${utcSeconds(start)} UTC. Bold lines are its critical path: what must get faster for the whole to get faster; “own” is a step's time without what it waited for.</p>
<table class="lines trace"><thead><tr><th>step</th><th>took</th><th>own</th><th>when</th></tr></thead><tbody>${rows.join("")}</tbody></table>${cut}`,
  };
}

/** Parents before their children, siblings by time; a span whose parent is not there is a root. */
function inOrder(spans: readonly Span[]): { readonly span: Span; readonly depth: number }[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const below = new Map<string | null, Span[]>();
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const parent = span.parentId !== null && known.has(span.parentId) && span.parentId !== span.spanId ? span.parentId : null;
    below.set(parent, [...(below.get(parent) ?? []), span]);
  }
  const ordered: { span: Span; depth: number }[] = [];
  const waiting = (below.get(null) ?? []).map((span) => ({ span, depth: 0 })).reverse();
  for (let one = waiting.pop(); one; one = waiting.pop()) {
    const { span, depth } = one;
    ordered.push(one);
    const children = below.get(span.spanId) ?? [];
    below.delete(span.spanId);
    for (const child of children.toReversed()) waiting.push({ span: child, depth: depth + 1 });
  }
  return ordered;
}

const utcSeconds = (at: number): string => new Date(at).toISOString().slice(11, 19);
