import type { Span } from "../../src/domain/telemetry.ts";
import { type StubAnswer, type StubRequest, stubServer } from "./stub-server.ts";

/** A stub of Tempo's `GET /api/search` with TraceQL and `GET /api/traces/{id}`, as its HTTP API describes them: ids in base64, enumerations by name. */
export async function stubTempo(spans: readonly Span[], options: { readonly tenant: string }) {
  const partial = { completedJobs: 4 };
  const server = await stubServer((request) => answer(request, spans, options.tenant, partial.completedJobs));
  return { ...server, partial };
}

function answer(
  { method, path, query, headers }: StubRequest,
  spans: readonly Span[],
  tenant: string,
  completedJobs: number,
): StubAnswer {
  if (headers["x-scope-orgid"] !== tenant) return { status: 401, body: "no org id" };
  if (method !== "GET") return { status: 405, body: "" };
  const id = /^\/api\/traces\/([0-9a-f]{32})$/.exec(path)?.[1];
  if (id) {
    const whole = spans.filter(({ traceId }) => traceId === id);
    return whole.length === 0 ? { status: 404, body: "trace not found" } : { body: { batches: batchesOf(whole) } };
  }
  if (path !== "/api/search") return { status: 404, body: "404 page not found" };
  const [q, start, end] = ["q", "start", "end"].map((key) => query.get(key) ?? "");
  if (!/^\d{10}$/.test(start ?? "") || !/^\d{10}$/.test(end ?? "") || Number(end) <= Number(start)) {
    return { status: 400, body: "invalid start or end" };
  }
  const accepts = conditionsOf(q ?? "");
  if (!accepts) return { status: 400, body: `invalid TraceQL query: parse error at line 1, col 3: ${q}` };
  const limit = Number(query.get("limit") ?? 20);
  const ids = new Set(
    spans
      .filter((span) => span.start >= Number(start) * 1_000 && span.start < Number(end) * 1_000 && accepts(span))
      .map(({ traceId }) => traceId),
  );
  return {
    body: {
      // Leading zeros are left out.
      traces: [...ids]
        .slice(0, limit)
        .map((traceId) => ({ traceID: traceId.replace(/^0+/, ""), rootServiceName: "front", durationMs: 100 })),
      metrics: { inspectedTraces: ids.size, completedJobs, totalJobs: 4 },
    },
  };
}

/** `{ resource.service.name = "a" && duration >= 5ns && status = error && kind = server }` */
function conditionsOf(q: string): ((span: Span) => boolean) | null {
  const inside = /^\{(.*)\}$/s.exec(q)?.[1]?.trim();
  if (inside === undefined) return null;
  const tests: ((span: Span) => boolean)[] = [];
  let rest = inside;
  while (rest !== "") {
    const one =
      /^(?:resource\.service\.name = ("(?:[^"\\]|\\.)*")|duration >= (\d+)ns|status = (error)|kind = (server))(?: && |$)/.exec(
        rest,
      );
    if (!one) return null;
    const [all, service, nanos, status, kind] = one;
    if (service) tests.push((span) => span.service === JSON.parse(service));
    if (nanos) tests.push(({ duration }) => duration * 1e6 >= Number(nanos));
    if (status) tests.push(({ error }) => error);
    if (kind) tests.push((span) => span.kind === kind);
    rest = rest.slice(all.length);
  }
  return (span) => tests.every((test) => test(span));
}

const base64 = (hex: string): string => Buffer.from(hex, "hex").toString("base64");

function batchesOf(spans: readonly Span[]): object[] {
  const services = [...new Set(spans.map(({ service }) => service))];
  const attributes = (given: Readonly<Record<string, string>>) =>
    Object.entries(given).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  return services.map((service) => ({
    resource: { attributes: attributes({ "service.name": service }) },
    scopeSpans: [
      {
        scope: { name: "stub" },
        spans: spans
          .filter((span) => span.service === service)
          .map((span) => ({
            traceId: base64(span.traceId),
            spanId: base64(span.spanId),
            ...(span.parentId ? { parentSpanId: base64(span.parentId) } : {}),
            name: span.operation,
            kind: `SPAN_KIND_${span.kind.toUpperCase()}`,
            startTimeUnixNano: `${span.start}000000`,
            endTimeUnixNano: `${span.start + span.duration}000000`,
            attributes: attributes(span.attributes),
            status: span.error ? { code: "STATUS_CODE_ERROR" } : {},
          })),
      },
    ],
  }));
}
