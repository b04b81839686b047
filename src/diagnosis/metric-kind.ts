/**
 * What a metric measures, told from the general words that metric names are made of (Prometheus and OpenTelemetry naming conventions,
 * the RED and USE methods). Unknown names are "other" and count little.
 */
export type MetricKind =
  | "latency"
  | "outgoing-latency"
  | "errors"
  | "availability"
  | "traffic"
  | "cpu"
  | "memory"
  | "network"
  | "disk"
  | "host"
  | "other";

const RULES: ReadonlyArray<readonly [MetricKind, RegExp]> = [
  ["host", /\b(node|host|machine)\b/],
  ["outgoing-latency", /\b(client|outgoing|outbound|egress|upstream)\b.*\b(latency|duration|time|delay)\b/],
  ["latency", /\b(latency|duration|response time|rtt|delay|elapsed|took)\b/],
  ["availability", /\b(availability|success|successful|uptime)\b/],
  ["errors", /\b(errors?|fail(ed|ures?|ing)?|faults?|exceptions?|5xx|dropped|timeouts?)\b/],
  ["cpu", /\b(cpu|processor|throttl\w*|load)\b/],
  ["memory", /\b(memory|mem|heap|rss|gc|swap)\b/],
  ["network", /\b(network|net|receive|received|transmit|transmitted|packets?|sockets?|tcp)\b/],
  ["disk", /\b(disk|fs|filesystem|io|syscall|read|write|iops)\b/],
  ["traffic", /\b(requests?|workload|throughput|rps|qps|ops|calls?|invocations?|count|rate)\b/],
];

export function metricKind(name: string): MetricKind {
  const words = name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replace(/[^A-Za-z0-9]+/g, " ")
    .toLowerCase();
  return RULES.find(([, pattern]) => pattern.test(words))?.[0] ?? "other";
}
