import { expect, it } from "vitest";
import { metricKind } from "../../../src/diagnosis/metric-kind.ts";

it.each([
  ["http_server_request_duration_seconds", "latency"],
  ["PodClientLatencyP95(s)", "outgoing-latency"],
  ["availability", "availability"],
  ["http_requests_failed_total", "errors"],
  ["http_requests_total", "traffic"],
  ["container_cpu_usage", "cpu"],
  ["jvm.heap.used", "memory"],
  ["NetworkReceiveBytes", "network"],
  ["node_cpu_utilisation", "host"],
  ["disk_io_time", "disk"],
  ["feature_flag_age", "other"],
] as const)("reads %s as %s", (name, kind) => expect(metricKind(name)).toBe(kind));
