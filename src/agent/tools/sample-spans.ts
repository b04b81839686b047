import type { Span, TimeRange, TraceSource } from "../../domain/telemetry.ts";
import { MINUTE } from "../../domain/time.ts";

const SLICES = 6;

/**
 * An even sample of a window's spans, of one service or of all. Sources return the slowest first, so a cut answer would mislead: each
 * slice of the window is shortened until it comes whole.
 */
export async function sampleSpans(
  traces: TraceSource,
  service: string | null,
  window: TimeRange,
  perSlice: number,
  signal: AbortSignal,
): Promise<Span[]> {
  const length = (window.to - window.from) / SLICES;
  const slices = await Promise.all(
    Array.from({ length: SLICES }, async (_, index) => {
      const to = window.from + (index + 1) * length;
      for (let take = length; ; take /= 4) {
        const query = { ...(service === null ? {} : { service }), from: to - take, to, limit: perSlice };
        const spans = await traces.spans(query, signal);
        if (spans.length < perSlice || take < MINUTE / 6) return spans;
      }
    }),
  );
  return slices.flat();
}
