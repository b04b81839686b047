import type { LogRecord } from "../../src/domain/telemetry.ts";
import { type StubAnswer, type StubRequest, stubServer } from "./stub-server.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * A stub of `POST /{index}/_search` as Elasticsearch and OpenSearch describe it: the query DSL that it is asked with (bool, range, term,
 * match_phrase), sort, size, partial answers, and errors with their reason.
 */
export async function stubElasticsearch(
  lines: readonly LogRecord[],
  options: { readonly index: string; readonly authorization: string },
) {
  const partial = { failedShards: 0, timedOut: false };
  const documents = lines.map((line, at) => ({
    _index: "logs-shop",
    _id: `d${at}`,
    // Some shippers nest their fields, some do not.
    _source:
      at % 2 === 0
        ? {
            "@timestamp": new Date(line.at).toISOString(),
            service: { name: line.service },
            log: { level: line.severity.toLowerCase() },
            message: line.body,
            ...line.attributes,
            ...(line.traceId ? { trace: { id: line.traceId } } : {}),
          }
        : {
            "@timestamp": new Date(line.at).toISOString(),
            "service.name": line.service,
            "log.level": line.severity,
            message: line.body,
            ...line.attributes,
            ...(line.traceId ? { "trace.id": line.traceId } : {}),
          },
    line,
  }));
  const server = await stubServer((request) => answer(request, documents, options, partial));
  return { ...server, partial };
}

type Stored = { readonly _index: string; readonly _id: string; readonly _source: object; readonly line: LogRecord };

function answer(
  { method, path, headers, body }: StubRequest,
  documents: readonly Stored[],
  { index, authorization }: { readonly index: string; readonly authorization: string },
  partial: { readonly failedShards: number; readonly timedOut: boolean },
): StubAnswer {
  const refuse = (status: number, type: string, reason: string) => ({ status, body: { error: { type, reason }, status } });
  if (headers.authorization !== authorization) return refuse(401, "security_exception", "missing authentication credentials");
  if (method !== "POST" || decodeURIComponent(path) !== `/${index}/_search`) {
    return refuse(404, "index_not_found_exception", `no such index [${path}]`);
  }
  if (headers["content-type"] !== "application/json")
    return refuse(406, "media_type_header_exception", "Content-Type is not supported");
  const { size, sort, query, track_total_hits, timeout, ...rest } = body as Json;
  const unknown = Object.keys(rest)[0];
  if (unknown) return refuse(400, "parsing_exception", `unknown key for a VALUE in [${unknown}].`);
  if (Number(size) > 10_000) return refuse(400, "illegal_argument_exception", "Result window is too large");
  if (typeof timeout !== "string" || typeof track_total_hits !== "boolean") return refuse(400, "parsing_exception", "timeout");
  const [order] = sort as [{ "@timestamp"?: { order: string } }];
  if (order["@timestamp"]?.order !== "desc") return refuse(400, "parsing_exception", "sort");
  const { filter } = (query as { bool: { filter: Json[] } }).bool;
  const found = documents
    .filter(({ line }) => filter.every((one) => matches(one, line)))
    .sort((a, b) => b.line.at - a.line.at)
    .slice(0, Number(size));
  return {
    body: {
      took: 3,
      timed_out: partial.timedOut,
      _shards: { total: 5, successful: 5 - partial.failedShards, skipped: 0, failed: partial.failedShards },
      hits: {
        max_score: null,
        hits: found.map(({ line, ...document }) => ({ ...document, _score: null, sort: [String(line.at)] })),
      },
    },
  };
}

const FIELDS: Readonly<Record<string, (line: LogRecord) => string>> = {
  "service.name": ({ service }) => service,
  "log.level": ({ severity }) => severity.toLowerCase(),
  "trace.id": ({ traceId }) => traceId ?? "",
};

function matches(filter: Json, line: LogRecord): boolean {
  const [[kind, value] = ["", null]] = Object.entries(filter);
  const inside = value as Json;
  const [[field, condition] = ["", null]] = Object.entries(inside);
  switch (kind) {
    case "range": {
      const { gte, lt, format } = condition as Json;
      if (field !== "@timestamp" || format !== "epoch_millis") throw new Error(`the stub cannot range over ${field}`);
      return line.at >= Number(gte) && line.at < Number(lt);
    }
    case "term": {
      const read = FIELDS[field];
      if (!read) throw new Error(`the stub has no field ${field}`);
      if (typeof condition === "string") return read(line) === condition;
      const { value: wanted, case_insensitive } = condition as Json;
      return case_insensitive === true && read(line) === String(wanted).toLowerCase();
    }
    case "match_phrase":
      return ` ${tokens(line.body)} `.includes(` ${tokens(String(condition))} `);
    case "bool":
      return (inside.should as Json[]).some((one) => matches(one, line)) && inside.minimum_should_match === 1;
    default:
      throw new Error(`the stub does not know ${kind}`);
  }
}

/** Roughly what the standard analyser makes of a text. */
const tokens = (text: string): string =>
  text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean)
    .join(" ");
