import { describe, expect, it } from "vitest";
import { seeded } from "../../../src/demo/random.ts";
import type { Role } from "../../../src/demo/shop.ts";
import { type CohortName, type Conditions, expectedRate, HEALTHY, type MinuteOfShop, Shop } from "../../../src/demo/simulate.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";

const NIGHT = Date.UTC(2026, 2, 3, 2, 47);

function hourOf(conditions: Partial<Conditions>, seed = 1): MinuteOfShop[] {
  const shop = new Shop(seeded(seed));
  return Array.from({ length: 120 }, (_, index) => shop.minute(NIGHT + index * MINUTE, { ...HEALTHY, ...conditions }));
}
const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const latency = (minutes: readonly MinuteOfShop[], role: Role, cohort: CohortName = "live") =>
  average(minutes.map(({ requests }) => requests[role][cohort].mean));
const errors = (minutes: readonly MinuteOfShop[], role: Role) =>
  average(minutes.map(({ requests }) => requests[role].live.failed / requests[role].live.count));
const hits = (minutes: readonly MinuteOfShop[]) => average(minutes.map(({ gauges }) => gauges.hitRatio.catalog));

describe("the shop's causal model", () => {
  const healthy = hourOf({});

  it("turns the flag's share into misses, slower queries and an api about 12 % slower", () => {
    const flagged = hourOf({ flagShare: { live: 0.28, test: 0.28 } });
    expect(hits(flagged)).toBeLessThan(hits(healthy) - 0.15);
    expect(average(flagged.map(({ queryTime }) => queryTime))).toBeGreaterThan(15);
    const rise = latency(flagged, "api") / latency(healthy, "api") - 1;
    expect(rise).toBeGreaterThan(0.1);
    expect(rise).toBeLessThan(0.14);
    expect(errors(flagged, "api")).toBeLessThan(0.005);
    expect(latency(flagged, "payments") / latency(healthy, "payments")).toBeCloseTo(1, 1);
  });

  it("slows the flagged cohort most, so that a test on one cohort tells", () => {
    const pinned = hourOf({ flagShare: { live: 0.28, test: 0 } });
    expect(latency(pinned, "api", "live") / latency(pinned, "api", "test")).toBeGreaterThan(1.06);
    expect(latency(healthy, "api", "live") / latency(healthy, "api", "test")).toBeCloseTo(1, 1);
  });

  it("makes a bad release fail where it runs, and a little at its callers", () => {
    const bad = hourOf({ releaseErrors: { checkout: 0.06 } });
    expect(errors(bad, "checkout")).toBeGreaterThan(0.04);
    expect(errors(bad, "checkout")).toBeLessThan(0.08);
    expect(errors(bad, "api")).toBeGreaterThan(errors(healthy, "api") * 2);
    expect(errors(bad, "catalog")).toBeLessThan(0.005);
  });

  it("lets a leaking pool slow payments first, then whoever waits for it", () => {
    const leaking = hourOf({ poolLeak: 1 });
    const rise = (role: Role) => latency(leaking, role) / latency(healthy, role) - 1;
    expect(rise("payments")).toBeGreaterThan(1);
    expect(rise("checkout")).toBeGreaterThan(0.5);
    expect(rise("api")).toBeGreaterThan(0.15);
    expect(Math.abs(rise("catalog"))).toBeLessThan(0.03);
    expect(average(leaking.map(({ gauges }) => gauges.poolWaiting))).toBeGreaterThan(10);
  });

  it("stays stationary when nothing is wrong: halves of a day agree, and the noise is about 3 %", () => {
    const shop = new Shop(seeded(4));
    const day = Array.from({ length: DAY / MINUTE }, (_, index) => shop.minute(NIGHT + index * MINUTE, HEALTHY));
    const middle = day.length / 2;
    expect(latency(day.slice(0, middle), "api") / latency(day.slice(middle), "api")).toBeCloseTo(1, 1);
    const residuals = day.map(({ at, requests }) => {
      const count = requests.storefront.live.count + requests.storefront.test.count;
      return count / (60 * expectedRate(at)) - 1;
    });
    const deviation = Math.sqrt(average(residuals.map((residual) => residual ** 2)));
    expect(deviation).toBeGreaterThan(0.02);
    expect(deviation).toBeLessThan(0.05);
  });

  it("is busier by day than by night, and on weekdays than on Sundays", () => {
    const tuesday = Date.UTC(2026, 2, 3);
    expect(expectedRate(tuesday + 14 * HOUR)).toBeGreaterThan(1.5 * expectedRate(tuesday + 3 * HOUR));
    expect(expectedRate(tuesday - 2 * DAY + 14 * HOUR)).toBeLessThan(expectedRate(tuesday + 14 * HOUR));
  });

  it("is the same world for the same seed", () => {
    expect(hourOf({}, 9)).toEqual(hourOf({}, 9));
  });
});
