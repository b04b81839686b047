import { median } from "../domain/quantile.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";
import { createDetector } from "./detector.ts";
import type { Change, DetectorOptions } from "./types.ts";

/** A recorded sample; null where there was a row without a value. */
export interface RecordedPoint {
  readonly at: EpochMs;
  readonly value: number | null;
}

export interface ReplayedAnomaly extends Change {
  /** Null when the record ends first. */
  readonly endedAt: EpochMs | null;
}

/** Middle distance between samples in time order; null for fewer than two distinct times. */
export function inferStep(points: readonly RecordedPoint[]): Milliseconds | null {
  const distances = points.slice(1).flatMap(({ at }, index) => {
    const distance = at - (points[index]?.at ?? at);
    return distance > 0 ? [distance] : [];
  });
  return distances.length === 0 ? null : median(distances);
}

/**
 * What a detector that starts with nothing would have raised over a record, in order: at each sample only the ones before it are known.
 * `points` ascend; of samples at the same time the first counts.
 */
export function replay(points: readonly RecordedPoint[], options: DetectorOptions): readonly ReplayedAnomaly[] {
  const detector = createDetector(options);
  const found: ReplayedAnomaly[] = [];
  let open: Change | null = null;
  for (const { at, value } of points) {
    const observation = value === null ? detector.missing(at) : detector.observe({ at, value });
    if (observation.ended) {
      found.push(observation.ended);
      open = null;
    }
    open = observation.ongoing ?? open;
  }
  if (open) found.push({ ...open, endedAt: null });
  return found;
}
