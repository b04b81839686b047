import type { LogRecord } from "../../src/domain/telemetry.ts";
import { type StubAnswer, type StubRequest, stubServer } from "./stub-server.ts";

/** Loki's own default for `max_entries_limit_per_query`. */
const MOST_LINES = 5_000;
const STRING = '"((?:[^"\\\\]|\\\\.)*)"';

/**
 * A stub of Loki's `GET /loki/api/v1/query_range` as its HTTP API describes it: tenant header, nanosecond times of which the end is not
 * included, the selector, line filters and label filters of LogQL that it is asked with, errors as plain text.
 */
export function stubLoki(lines: readonly LogRecord[], options: { readonly tenant: string; readonly authorization: string }) {
  return stubServer((request) => answer(request, lines, options));
}

function answer(
  { method, path, query: asked, headers }: StubRequest,
  lines: readonly LogRecord[],
  options: { readonly tenant: string; readonly authorization: string },
): StubAnswer {
  if (headers.authorization !== options.authorization) return { status: 401, body: "no credentials" };
  if (headers["x-scope-orgid"] !== options.tenant) return { status: 401, body: "no org id" };
  if (method !== "GET" || path !== "/loki/api/v1/query_range") return { status: 404, body: "404 page not found" };
  const query = asked.get("query") ?? "";
  const [start, end] = [asked.get("start"), asked.get("end")];
  const limit = Number(asked.get("limit") ?? 100);
  if (!/^\d{19}$/.test(start ?? "") || !/^\d{19}$/.test(end ?? ""))
    return { status: 400, body: "could not parse 'start' or 'end'" };
  if (limit > MOST_LINES) {
    return {
      status: 400,
      body: `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > ${MOST_LINES})`,
    };
  }
  if (asked.get("direction") !== "backward") return { status: 400, body: "this stub reads backward" };
  const accepts = filterOf(query);
  if (!accepts) return { status: 400, body: `parse error at line 1, col 1: syntax error: ${query}` };
  const found = lines
    .map((line) => ({ nanos: BigInt(line.at) * 1_000_000n, line, stream: streamOf(line) }))
    .filter(({ nanos, line, stream }) => nanos >= BigInt(start ?? 0) && nanos < BigInt(end ?? 0) && accepts(stream, line.body))
    .sort((a, b) => (a.nanos < b.nanos ? 1 : -1))
    .slice(0, limit);
  const streams = new Map<string, { stream: Record<string, string>; values: [string, string][] }>();
  for (const { nanos, line, stream } of found) {
    const key = JSON.stringify(stream);
    const one = streams.get(key) ?? { stream, values: [] };
    one.values.push([String(nanos), line.body]);
    streams.set(key, one);
  }
  return { body: { status: "success", data: { resultType: "streams", result: [...streams.values()], stats: {} } } };
}

function streamOf({ service, severity, traceId, attributes }: LogRecord): Record<string, string> {
  return {
    service_name: service,
    detected_level: severity.toLowerCase(),
    ...attributes,
    ...(traceId ? { trace_id: traceId } : {}),
  };
}

type Accepts = (stream: Readonly<Record<string, string>>, body: string) => boolean;

/** What the pipeline keeps; null for anything that is no LogQL of this kind. */
function filterOf(query: string): Accepts | null {
  const selector = new RegExp(`^\\{(\\w+)(=~|=)${STRING}\\}`).exec(query);
  if (!selector) return null;
  const tests: Accepts[] = [matcher(selector)];
  let rest = query.slice(selector[0].length);
  while (rest !== "") {
    const line = new RegExp(`^ \\|~ ${STRING}`).exec(rest);
    const label = new RegExp(`^ \\| (\\w+)(=~|=)${STRING}`).exec(rest);
    if (line) {
      const pattern = expression(text(line[1]));
      tests.push((_, body) => pattern.test(body));
    } else if (label) tests.push(matcher(label));
    else return null;
    rest = rest.slice((line ?? label)?.[0].length);
  }
  return (stream, body) => tests.every((test) => test(stream, body));
}

function matcher([, name = "", op, value]: RegExpExecArray): Accepts {
  const wanted = text(value);
  if (op === "=") return (stream) => (stream[name] ?? "") === wanted;
  const pattern = expression(wanted, true);
  return (stream) => pattern.test(stream[name] ?? "");
}

/** Go's strings and JSON's agree in what is used here. */
const text = (inside = ""): string => JSON.parse(`"${inside}"`) as string;

function expression(re2: string, anchored = false): RegExp {
  const insensitive = re2.startsWith("(?i)");
  const pattern = insensitive ? re2.slice(4) : re2;
  return new RegExp(anchored ? `^(?:${pattern})$` : pattern, insensitive ? "i" : "");
}
