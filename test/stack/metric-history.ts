import { BASE_SHARE } from "../../src/demo/flags.ts";
import { OpenMetrics } from "../../src/demo/openmetrics.ts";
import { seeded } from "../../src/demo/random.ts";
import type { ShopNames } from "../../src/demo/shop.ts";
import { HEALTHY, Shop } from "../../src/demo/simulate.ts";
import { MetricCollector } from "../../src/demo/telemetry.ts";
import { type EpochMs, HOUR, MINUTE } from "../../src/domain/time.ts";

/** Buckets are most of the volume, and only the last hours' are ever compared. */
const BUCKETS_FOR = 3 * HOUR;

/** The healthy past of the shop's metrics as OpenMetrics text, minute by minute, to be loaded into Prometheus with promtool. */
export function* metricHistory(options: {
  readonly names: ShopNames;
  readonly seed: number;
  readonly from: EpochMs;
  readonly to: EpochMs;
}): Generator<string> {
  const { names, seed, from, to } = options;
  const shop = new Shop(seeded(seed));
  const totals = new OpenMetrics();
  const share = BASE_SHARE / 100;
  const conditions = { ...HEALTHY, flagShare: { live: share, test: share } };
  for (let at = from; at < to; at += MINUTE) {
    const collector = new MetricCollector(names);
    collector.add(shop.minute(at, conditions), true);
    totals.add(collector.take());
    yield totals.lines(at + MINUTE, { headers: at === from, buckets: at >= to - BUCKETS_FOR });
  }
  yield "# EOF\n";
}
