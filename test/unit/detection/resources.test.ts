import { expect, it } from "vitest";
import { resourcesOf } from "../../../src/detection/index.ts";
import type { MetricInfo } from "../../../src/domain/telemetry.ts";

const gauge = (metric: string, unit: string, labelKeys: string[] = [], services = ["db"]): MetricInfo => ({
  metric,
  kind: "gauge",
  unit,
  services,
  labelKeys,
});

it("takes shares of a stock, and pairs of used or free with what there is, by the conventions' names", () => {
  const found = resourcesOf([
    gauge("system.filesystem.utilization", "1", ["mountpoint"]),
    gauge("jvm.memory.used", "By", ["pool"]),
    gauge("jvm.memory.limit", "By", ["pool"]),
    gauge("node_filesystem_avail_bytes", "By", ["mountpoint", "fstype"]),
    gauge("node_filesystem_size_bytes", "By", ["mountpoint"]),
    gauge("hikaricp_connections_active", ""),
    gauge("hikaricp_connections_max", ""),
  ]);
  expect(found).toEqual([
    { service: "db", metric: "system.filesystem.utilization", remaining: false, capacity: 1, labelKeys: ["mountpoint"] },
    { service: "db", metric: "jvm.memory.used", remaining: false, capacity: { metric: "jvm.memory.limit" }, labelKeys: ["pool"] },
    {
      service: "db",
      metric: "node_filesystem_avail_bytes",
      remaining: true,
      capacity: { metric: "node_filesystem_size_bytes" },
      labelKeys: ["mountpoint"],
    },
    {
      service: "db",
      metric: "hikaricp_connections_active",
      remaining: false,
      capacity: { metric: "hikaricp_connections_max" },
      labelKeys: [],
    },
  ]);
});

it("leaves out shares of time and of luck, counters, and a pair whose other half another service has", () => {
  expect(
    resourcesOf([
      gauge("process.cpu.utilization", "1"),
      gauge("cache.hit.ratio", "1"),
      { ...gauge("disk.usage", "1"), kind: "sum" },
      gauge("queue.used", "1"),
      gauge("volume.used", "By", [], ["a"]),
      gauge("volume.limit", "By", [], ["b"]),
    ]),
  ).toEqual([]);
});
