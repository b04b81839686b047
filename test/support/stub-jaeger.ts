import type { Span } from "../../src/domain/telemetry.ts";
import { type StubAnswer, type StubRequest, stubServer } from "./stub-server.ts";

/** A stub of the HTTP API of Jaeger's query service: traces by search and by id, services, dependencies; times in microseconds. */
export function stubJaeger(spans: readonly Span[], options: { readonly authorization: string }) {
  return stubServer((request) => answer(request, spans, options.authorization));
}

const refuse = (code: number, msg: string): StubAnswer => ({
  status: code,
  body: { data: null, total: 0, limit: 0, offset: 0, errors: [{ code, msg }] },
});

function answer({ method, path, query, headers }: StubRequest, spans: readonly Span[], authorization: string): StubAnswer {
  if (headers.authorization !== authorization) return refuse(401, "unauthorized");
  if (method !== "GET") return refuse(405, "method not allowed");
  const give = (data: unknown[]): StubAnswer => ({ body: { data, total: data.length, limit: 0, offset: 0, errors: null } });
  const get = (key: string) => query.get(key);
  if (path === "/api/services") return give([...new Set(spans.map(({ service }) => service))]);
  if (path === "/api/dependencies") {
    if (!/^\d{13}$/.test(get("endTs") ?? "") || !/^\d+$/.test(get("lookback") ?? ""))
      return refuse(400, "unable to parse param 'endTs'");
    return give([{ parent: "front", child: "shelf", callCount: 10 }]);
  }
  const id = /^\/api\/traces\/([^/]+)$/.exec(path)?.[1];
  if (id) {
    const whole = spans.filter(({ traceId }) => traceId === id);
    return whole.length === 0 ? refuse(404, "trace not found") : give([traceOf(whole)]);
  }
  if (path !== "/api/traces") return { status: 404, body: "404 page not found" };
  const service = get("service");
  if (!service) return refuse(400, "parameter 'service' is required");
  const [start, end] = [Number(get("start")), Number(get("end"))];
  if (!/^\d{16}$/.test(get("start") ?? "") || !/^\d{16}$/.test(get("end") ?? ""))
    return refuse(400, "unable to parse param 'start'");
  const least = Number(/^(\d+)us$/.exec(get("minDuration") ?? "0us")?.[1] ?? Number.NaN);
  if (Number.isNaN(least)) return refuse(400, "unable to parse param 'minDuration'");
  const tags = JSON.parse(get("tags") ?? "{}") as Record<string, string>;
  const ids = new Set(
    spans
      .filter(
        (span) =>
          span.service === service &&
          span.start * 1_000 >= start &&
          span.start * 1_000 < end &&
          span.duration * 1_000 >= least &&
          (tags.error !== "true" || span.error),
      )
      .map(({ traceId }) => traceId),
  );
  const limit = Number(get("limit") ?? 100);
  return give([...ids].slice(0, limit).map((one) => traceOf(spans.filter(({ traceId }) => traceId === one))));
}

function traceOf(spans: readonly Span[]): object {
  const services = [...new Set(spans.map(({ service }) => service))];
  const tag = ([key, value]: [string, string]) => ({ key, type: "string", value });
  return {
    traceID: spans[0]?.traceId,
    spans: spans.map((span) => ({
      traceID: span.traceId,
      spanID: span.spanId,
      flags: 1,
      operationName: span.operation,
      references: span.parentId ? [{ refType: "CHILD_OF", traceID: span.traceId, spanID: span.parentId }] : [],
      startTime: span.start * 1_000,
      duration: span.duration * 1_000,
      tags: [
        ...Object.entries(span.attributes).map(tag),
        { key: "span.kind", type: "string", value: span.kind },
        ...(span.error ? [{ key: "error", type: "bool", value: true }] : []),
      ],
      logs: [],
      processID: `p${services.indexOf(span.service) + 1}`,
      warnings: null,
    })),
    processes: Object.fromEntries(services.map((serviceName, at) => [`p${at + 1}`, { serviceName, tags: [] }])),
    warnings: null,
  };
}
