import { z } from "zod";
import type { Labels, LogQuery, LogRecord, LogSource } from "../../domain/telemetry.ts";
import { SECOND } from "../../domain/time.ts";
import { type BackendAddress, ReadApi } from "../read-api.ts";
import { severityOf, wordsFrom } from "../severity.ts";

export interface ElasticsearchOptions extends BackendAddress {
  /** Index, alias or pattern, for instance `logs-*`. */
  readonly index: string;
  /** Names of the fields; the defaults are those of the Elastic Common Schema. */
  readonly fields: {
    readonly time: string;
    readonly service: string;
    readonly severity: string;
    readonly message: string;
    readonly trace: string;
  };
  readonly onWarning?: (message: string) => void;
}

const answer = z.object({
  timed_out: z.boolean().default(false),
  _shards: z.object({ total: z.number(), failed: z.number().default(0) }).optional(),
  hits: z.object({
    hits: z.array(
      z.object({
        _id: z.string(),
        _source: z.record(z.string(), z.unknown()),
        sort: z.array(z.unknown()).optional(),
      }),
    ),
  }),
});

type Hit = z.output<typeof answer>["hits"]["hits"][number];

const MOST_BYTES = 8_000_000;
const PAGE = 1_000;
const LONGEST_LINE = 4_096;
const MOST_ATTRIBUTES = 24;

/** Logs by the search API that Elasticsearch and OpenSearch share, https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search */
export class ElasticsearchLogs implements LogSource {
  readonly #api: ReadApi;
  readonly #options: ElasticsearchOptions;

  constructor(options: ElasticsearchOptions) {
    this.#options = options;
    this.#api = new ReadApi({ ...options, name: "Elasticsearch", key: "logs", maxBytes: MOST_BYTES });
  }

  async logs(query: LogQuery, signal?: AbortSignal): Promise<readonly LogRecord[]> {
    const found = new Map<string, LogRecord>();
    // The next page begins at the oldest line's millisecond, so that other lines of it are not lost.
    for (let to = query.to; found.size < query.limit && to > query.from; ) {
      const size = Math.min(PAGE, query.limit - found.size + 1);
      const before = found.size;
      const hits = await this.#page({ ...query, to }, size, signal);
      let oldest = to;
      for (const hit of hits) {
        const record = this.#record(hit);
        oldest = Math.min(oldest, record.at);
        found.set(hit._id, record);
      }
      if (hits.length < size) break;
      // More lines of one millisecond than fit a page: the rest of them cannot be asked for.
      to = found.size === before ? oldest : oldest + 1;
    }
    return [...found.values()].sort((a, b) => b.at - a.at).slice(0, query.limit);
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  async #page(query: LogQuery, size: number, signal?: AbortSignal): Promise<Hit[]> {
    const { index, fields, timeout } = this.#options;
    const body = {
      size,
      track_total_hits: false,
      timeout: `${Math.max(1, Math.floor(timeout / SECOND) - 1)}s`,
      sort: [{ [fields.time]: { order: "desc", format: "epoch_millis", unmapped_type: "date" } }],
      query: { bool: { filter: this.#filters(query) } },
    };
    const { hits, timed_out, _shards } = await this.#api.ask(
      answer,
      [index, "_search"],
      { body, query: { ignore_unavailable: "true" } },
      signal,
    );
    if (timed_out || (_shards && _shards.failed > 0)) {
      this.#options.onWarning?.(
        timed_out
          ? "Elasticsearch: the answer is not whole, time was up"
          : `Elasticsearch: ${_shards?.failed} of ${_shards?.total} shards failed`,
      );
    }
    return hits.hits;
  }

  #filters({ from, to, service, minSeverity, text, traceId }: LogQuery): object[] {
    const { fields } = this.#options;
    const severities = minSeverity && minSeverity !== "TRACE" ? wordsFrom(minSeverity) : [];
    return [
      { range: { [fields.time]: { gte: Math.ceil(from), lt: Math.ceil(to), format: "epoch_millis" } } },
      ...(service === undefined ? [] : [{ term: { [fields.service]: service } }]),
      ...(severities.length === 0
        ? []
        : [
            {
              bool: {
                should: severities.map((word) => ({ term: { [fields.severity]: { value: word, case_insensitive: true } } })),
                minimum_should_match: 1,
              },
            },
          ]),
      // The field is analysed: words in this order, whatever their case.
      ...(text ? [{ match_phrase: { [fields.message]: text } }] : []),
      ...(traceId === undefined ? [] : [{ term: { [fields.trace]: traceId } }]),
    ];
  }

  #record({ _source, sort }: Hit): LogRecord {
    const { fields } = this.#options;
    const flat = flattened(_source);
    const stamped = flat[fields.time];
    const known = new Set<string>(Object.values(fields));
    const attributes = Object.entries(flat).filter(([key]) => !known.has(key));
    return {
      at: Number(sort?.[0] ?? (stamped === undefined ? Number.NaN : Date.parse(stamped))),
      service: flat[fields.service] ?? "unknown_service",
      severity: severityOf(flat[fields.severity]) ?? "INFO",
      body: (flat[fields.message] ?? "").slice(0, LONGEST_LINE),
      attributes: Object.fromEntries(attributes.slice(0, MOST_ATTRIBUTES)),
      traceId: flat[fields.trace] ?? null,
    };
  }
}

/** `{service: {name: "a"}}` and `{"service.name": "a"}` mean the same. */
function flattened(source: Readonly<Record<string, unknown>>, prefix = ""): Labels {
  const flat: Record<string, string> = {};
  for (const [key, value] of Object.entries(source)) {
    const name = `${prefix}${key}`;
    if (Array.isArray(value)) flat[name] = value.map(String).join(", ").slice(0, 1_000);
    else if (typeof value === "object" && value !== null)
      Object.assign(flat, flattened(value as Record<string, unknown>, `${name}.`));
    else if (value !== null && value !== undefined) flat[name] = String(value).slice(0, LONGEST_LINE);
  }
  return flat;
}
