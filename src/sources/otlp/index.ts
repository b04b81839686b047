import express, { type Request, type Response, Router } from "express";
import type { TelemetrySink } from "../../domain/telemetry-sink.ts";
import { type Clock, DAY, type EpochMs } from "../../domain/time.ts";
import { type Converted, logsOf, metricsOf, spansOf } from "./convert.ts";
import { decode, encode, type Message } from "./protocol.ts";
import { Malformed } from "./values.ts";

export interface OtlpOptions {
  readonly sink: TelemetrySink;
  /** Largest body in bytes, on the wire and after inflating. */
  readonly maxBytes: number;
  /** The telemetry clock: records more than a day ahead of it are refused. Without it only times outside 2000 to 2100 are. */
  readonly clock?: Pick<Clock, "now">;
  /** Called after each accepted request with how many records were kept and refused. */
  readonly onAccepted?: (signal: "metrics" | "logs" | "traces", kept: number, refused: number) => void;
}

interface Signal {
  readonly path: "metrics" | "logs" | "traces";
  readonly request: string;
  readonly response: string;
  /** Name of the count of refused records in the response. */
  readonly rejected: string;
  readonly take: (sink: TelemetrySink, message: Message, latest?: EpochMs) => Converted<unknown>;
}

const signals: readonly Signal[] = [
  {
    path: "metrics",
    request: "MetricsRequest",
    response: "MetricsResponse",
    rejected: "rejectedDataPoints",
    take: (sink, message, latest) => {
      const converted = metricsOf(message, latest);
      sink.appendMetrics(converted.records);
      return converted;
    },
  },
  {
    path: "logs",
    request: "LogsRequest",
    response: "LogsResponse",
    rejected: "rejectedLogRecords",
    take: (sink, message, latest) => {
      const converted = logsOf(message, latest);
      sink.appendLogs(converted.records);
      return converted;
    },
  },
  {
    path: "traces",
    request: "TracesRequest",
    response: "TracesResponse",
    rejected: "rejectedSpans",
    take: (sink, message, latest) => {
      const converted = spansOf(message, latest);
      sink.appendSpans(converted.records);
      return converted;
    },
  },
];

/** A request that is answered with an HTTP error; `rpc` is the code of google.rpc.Status. */
class Refusal extends Error {
  readonly status: number;
  readonly rpc: number;
  constructor(status: number, rpc: number, message: string) {
    super(message);
    this.status = status;
    this.rpc = rpc;
  }
}

/**
 * Receives OTLP/HTTP (protobuf and JSON, gzip) at `/v1/metrics`, `/v1/logs` and `/v1/traces`, as the OpenTelemetry protocol
 * specification 1.x describes it. A bad record is counted and reported as partial success; the rest of its request is kept.
 */
export function otlpRouter(options: OtlpOptions): Router {
  const router = Router();
  for (const signal of signals) {
    router
      .route(`/v1/${signal.path}`)
      .post(express.raw({ type: () => true, limit: options.maxBytes }), (request, response) => {
        receive(signal, options, request, response);
      })
      .all((request, response) => {
        response.setHeader("allow", "POST");
        refuse(request, response, new Refusal(405, 12, `${request.method} is not understood here; send POST`));
      });
  }
  router.use(
    (error: Error & { status?: number; type?: string }, request: Request, response: Response, next: (error: Error) => void) => {
      if (!request.path.startsWith("/v1/") || response.headersSent) return next(error);
      if (error instanceof Refusal) return refuse(request, response, error);
      if (error instanceof Malformed)
        return refuse(request, response, new Refusal(400, 3, `the body is not OTLP: ${error.message}`));
      if (error.type === "entity.too.large") {
        return refuse(
          request,
          response,
          new Refusal(413, 8, `the body is larger than ${options.maxBytes} bytes; send smaller batches`),
        );
      }
      if (error.status && error.status < 500)
        return refuse(request, response, new Refusal(error.status, 3, `the body cannot be read: ${error.message}`));
      // Storage failed: the sender keeps its data and tries again.
      response.setHeader("retry-after", "5");
      refuse(request, response, new Refusal(503, 14, "the telemetry could not be stored; try again"));
    },
  );
  return router;
}

function receive(signal: Signal, options: OtlpOptions, request: Request, response: Response): void {
  const encoding = contentEncoding(request);
  const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const message = parse(signal.request, encoding, bytes);
  const latest = options.clock && options.clock.now() + DAY;
  const { records, rejected, reasons } = signal.take(options.sink, message, latest);
  options.onAccepted?.(signal.path, records.length, rejected);
  const partialSuccess = { [signal.rejected]: rejected, errorMessage: reasons.join("; ") };
  send(response, 200, encoding, signal.response, rejected > 0 ? { partialSuccess } : {});
}

type Encoding = "protobuf" | "json";

function contentEncoding(request: Request): Encoding {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === "application/x-protobuf") return "protobuf";
  if (type === "application/json") return "json";
  throw new Refusal(415, 3, `the content type is ${type || "absent"}; send application/x-protobuf or application/json`);
}

function parse(type: string, encoding: Encoding, bytes: Buffer): Message {
  try {
    if (encoding === "protobuf") return decode(type, bytes);
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("the top level is not an object");
    return value as Message;
  } catch (error) {
    throw new Refusal(
      400,
      3,
      `the body is not a valid ${encoding} message: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function refuse(request: Request, response: Response, { status, rpc, message }: Refusal): void {
  const json = (request.headers["content-type"] ?? "").includes("json");
  send(response, status, json ? "json" : "protobuf", "RpcStatus", { code: rpc, message });
}

function send(response: Response, status: number, encoding: Encoding, type: string, value: Message): void {
  response.status(status);
  if (encoding === "json") response.type("application/json").send(JSON.stringify(value));
  else response.type("application/x-protobuf").send(Buffer.from(encode(type, value)));
}
