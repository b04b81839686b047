import type { HistogramRecord } from "../../src/domain/telemetry-sink.ts";

/** Services whose requests take as long as a test says, the same at every call: what real processes are sent by OTLP or find in their store. */

export const DURATION = "http.server.request.duration";
export const BOUNDS = [0.025, 0.05, 0.1, 0.2, 0.4, 0.8];

/** About sixty requests of about `seconds` each, in the step that ends at `at`. */
export function requests(at: number, seconds: number) {
  const wave = 1 + 0.04 * Math.sin(at / 7_000) + 0.03 * Math.sin(at / 1_100);
  const count = 60 + Math.round(4 * Math.sin(at / 13_000));
  const middle = BOUNDS.findIndex((bound) => seconds * wave <= bound);
  const buckets = [...BOUNDS, Number.POSITIVE_INFINITY].map((_, index) =>
    index === (middle < 0 ? BOUNDS.length : middle) ? count : 0,
  );
  return { at, labels: { "http.route": "/" }, count, sum: count * seconds * wave, buckets };
}

/** What the store holds of `services` that took `seconds` from `from` up to `to`, step by step. */
export function past(
  services: readonly string[],
  { from, to, step, seconds }: { readonly from: number; readonly to: number; readonly step: number; readonly seconds: number },
): HistogramRecord[] {
  return services.flatMap((service) =>
    Array.from({ length: Math.floor((to - from) / step) }, (_, index): HistogramRecord => {
      const point = requests(from + index * step, seconds);
      return {
        kind: "histogram",
        metric: DURATION,
        service,
        unit: "s",
        temporality: "delta",
        start: point.at - step,
        bounds: BOUNDS,
        ...point,
      };
    }),
  );
}
