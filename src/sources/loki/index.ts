import { z } from "zod";
import type { Labels, LogQuery, LogRecord, LogSource } from "../../domain/telemetry.ts";
import { inBraces, literal, oneOf, quoted } from "../prometheus/selector.ts";
import { type BackendAddress, ReadApi } from "../read-api.ts";
import { severityOf, wordsFrom } from "../severity.ts";

export interface LokiOptions extends BackendAddress {
  /** Stream label with the service's name; Loki makes `service_name` by itself. */
  readonly serviceLabel: string;
  /** Label or structured metadata with the severity; Loki makes `detected_level` by itself. */
  readonly severityLabel: string;
  readonly traceLabel: string;
  readonly onWarning?: (message: string) => void;
}

const streams = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("streams"),
    result: z.array(
      z.object({
        stream: z.record(z.string(), z.string()),
        // The third element is structured metadata, where a line has some.
        values: z.array(z.tuple([z.string(), z.string()]).rest(z.unknown())),
      }),
    ),
  }),
  warnings: z.array(z.string()).nullish(),
});

const MOST_BYTES = 8_000_000;
/** Loki refuses more than 5,000 lines at once by default. */
const PAGE = 1_000;
const LONGEST_LINE = 4_096;
const NANOS = 1_000_000n;

interface Line {
  readonly nanos: bigint;
  readonly labels: Labels;
  readonly body: string;
}

/** Logs by Loki's HTTP API, https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time */
export class LokiLogs implements LogSource {
  readonly #api: ReadApi;
  readonly #options: LokiOptions;

  constructor(options: LokiOptions) {
    this.#options = options;
    this.#api = new ReadApi({ ...options, name: "Loki", key: "logs", maxBytes: MOST_BYTES });
  }

  async logs(query: LogQuery, signal?: AbortSignal): Promise<readonly LogRecord[]> {
    const expression = this.#expression(query);
    const start = BigInt(Math.ceil(query.from)) * NANOS;
    // `end` is not included; the next page ends just after the oldest line, so that lines of the same nanosecond are not lost.
    let end = BigInt(Math.ceil(query.to)) * NANOS;
    const seen = new Set<string>();
    const found: Line[] = [];
    while (found.length < query.limit && end > start) {
      const limit = Math.min(PAGE, query.limit - found.length + 1);
      const page = await this.#page(expression, start, end, limit, signal);
      let oldest = end;
      let fresh = 0;
      for (const line of page) {
        if (line.nanos < oldest) oldest = line.nanos;
        const key = `${line.nanos} ${JSON.stringify(line.labels)} ${line.body}`;
        if (seen.has(key)) continue;
        seen.add(key);
        found.push(line);
        fresh++;
      }
      if (page.length < limit) break;
      // More lines of one nanosecond than fit a page: the rest of them cannot be asked for.
      end = fresh === 0 ? oldest : oldest + 1n;
    }
    return found
      .sort((a, b) => (a.nanos < b.nanos ? 1 : a.nanos > b.nanos ? -1 : 0))
      .slice(0, query.limit)
      .map((line) => this.#record(line));
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  async #page(expression: string, start: bigint, end: bigint, limit: number, signal?: AbortSignal): Promise<Line[]> {
    const query = {
      query: expression,
      start: String(start),
      end: String(end),
      limit: String(limit),
      direction: "backward",
    };
    const { data, warnings } = await this.#api.get(streams, ["loki", "api", "v1", "query_range"], query, signal);
    if (warnings?.length) this.#options.onWarning?.(`Loki: ${warnings.slice(0, 3).join("; ").slice(0, 300)}`);
    return data.result.flatMap(({ stream, values }) =>
      values.map(([nanos, body, metadata]) => ({ nanos: BigInt(nanos), labels: { ...stream, ...metadataOf(metadata) }, body })),
    );
  }

  /** LogQL: stream selector, line filter, then filters on labels. */
  #expression({ service, minSeverity, text, traceId }: LogQuery): string {
    const { serviceLabel, severityLabel, traceLabel } = this.#options;
    const selector = inBraces([
      service === undefined ? { label: serviceLabel, op: "=~", value: ".+" } : oneOf(serviceLabel, [service]),
    ]);
    return [
      selector,
      ...(text ? [`|~ ${quoted(`(?i)${literal(text)}`)}`] : []),
      ...(minSeverity && minSeverity !== "TRACE"
        ? [`| ${severityLabel}=~${quoted(`(?i)(${wordsFrom(minSeverity).join("|")})`)}`]
        : []),
      ...(traceId === undefined ? [] : [`| ${traceLabel}=${quoted(traceId)}`]),
    ].join(" ");
  }

  #record({ nanos, labels, body }: Line): LogRecord {
    const { serviceLabel, severityLabel, traceLabel } = this.#options;
    const { [serviceLabel]: service = "unknown_service", [severityLabel]: severity, [traceLabel]: trace, ...attributes } = labels;
    return {
      at: Number(nanos / NANOS),
      service,
      severity: severityOf(severity) ?? severityOf(labels.level) ?? severityOf(labels.severity_text) ?? "INFO",
      body: body.slice(0, LONGEST_LINE),
      attributes,
      traceId: trace || null,
    };
  }
}

/** Either plain pairs, or, as Loki sends them when asked to tell kinds apart, pairs under `structuredMetadata`. */
function metadataOf(value: unknown): Labels {
  if (typeof value !== "object" || value === null) return {};
  const pairs = "structuredMetadata" in value ? (value.structuredMetadata ?? {}) : value;
  return Object.fromEntries(Object.entries(pairs).flatMap(([key, one]) => (typeof one === "string" ? [[key, one]] : [])));
}
