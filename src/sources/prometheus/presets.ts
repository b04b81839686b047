import { parseSelector, type Selector } from "./selector.ts";

/**
 * Where the RED method's signals of services are found. All are selectors, never expressions: what is asked for is built around them.
 * `duration` names a histogram without its suffix (`_bucket`, `_sum`, `_count`).
 */
export interface RedTemplate {
  /** The label that holds the service's name. */
  readonly service: string;
  /** Counter of requests. */
  readonly requests: Selector;
  /** Counter of those that failed. */
  readonly failures: Selector;
  /** Null where only counts are kept. */
  readonly duration: Selector | null;
  readonly unit: "s" | "ms";
}

export interface RedTemplateText {
  readonly service: string;
  readonly requests: string;
  readonly failures: string;
  readonly duration?: string | undefined;
  readonly unit?: "s" | "ms" | undefined;
}

/** A template that cannot be used; says which part. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

export function redTemplate(text: RedTemplateText): RedTemplate {
  const read = (part: "requests" | "failures" | "duration", value: string): Selector => {
    const selector = parseSelector(value);
    if (!selector) {
      throw new TemplateError(
        `${part} is ${JSON.stringify(value)}, which is no selector; write a metric with matchers, for instance http_requests_total{code=~"5.."}`,
      );
    }
    return selector;
  };
  return {
    service: text.service,
    requests: read("requests", text.requests),
    failures: read("failures", text.failures),
    duration: text.duration === undefined ? null : read("duration", text.duration),
    unit: text.unit ?? "s",
  };
}

const otel = (name: string, failures: string, unit: "s" | "ms" = "s"): RedTemplateText => ({
  service: "job",
  requests: `${name}_count`,
  failures: `${name}_count{${failures}}`,
  duration: name,
  unit,
});

/**
 * What common sources of metrics call things, the preferred first.
 * OpenTelemetry: semantic conventions of HTTP, RPC and database metrics, as https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 * translates them (`service.name` becomes `job`). Istio: https://istio.io/latest/docs/reference/config/metrics/. Envoy:
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats. ingress-nginx:
 * https://kubernetes.github.io/ingress-nginx/user-guide/monitoring/. Spring: Micrometer's `http.server.requests` with the common tag `application`.
 */
export const PRESETS = {
  opentelemetry: [
    otel("http_server_request_duration_seconds", 'http_response_status_code=~"5.."'),
    otel("rpc_server_call_duration_seconds", 'error_type!=""'),
    otel("rpc_server_duration_milliseconds", 'rpc_grpc_status_code=~"2|4|12|13|14|15"', "ms"),
    otel("http_server_duration_milliseconds", 'http_status_code=~"5.."', "ms"),
    otel("db_client_operation_duration_seconds", 'error_type!=""'),
  ],
  istio: [
    {
      service: "destination_canonical_service",
      requests: 'istio_requests_total{reporter="destination"}',
      failures: 'istio_requests_total{reporter="destination",response_code=~"5.."}',
      duration: 'istio_request_duration_milliseconds{reporter="destination"}',
      unit: "ms",
    },
  ],
  envoy: [
    {
      service: "envoy_cluster_name",
      requests: "envoy_cluster_upstream_rq_completed",
      failures: 'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}',
      duration: "envoy_cluster_upstream_rq_time",
      unit: "ms",
    },
  ],
  "ingress-nginx": [
    {
      service: "ingress",
      requests: "nginx_ingress_controller_requests",
      failures: 'nginx_ingress_controller_requests{status=~"5.."}',
      duration: "nginx_ingress_controller_request_duration_seconds",
    },
  ],
  spring: [
    {
      service: "application",
      requests: "http_server_requests_seconds_count",
      failures: 'http_server_requests_seconds_count{outcome="SERVER_ERROR"}',
      duration: "http_server_requests_seconds",
    },
  ],
} as const satisfies Readonly<Record<string, readonly RedTemplateText[]>>;

export type PresetName = keyof typeof PRESETS;
