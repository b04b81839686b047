import { median } from "../../domain/quantile.ts";
import type { Count, Evidence } from "./evidence.ts";
import { average, blocksOf, FEWEST_FOR_NOISE, inflation, leaningOnUsual, USUAL_AUTOCORRELATION } from "./noise.ts";

/** A signal that counts before the action: failures among requests, or requests in time. */
export interface CountReference {
  readonly kind: "counts";
  /** `share`: events are among the exposure, so there are never more of them than of it. */
  readonly of: "share" | "rate";
  readonly events: number;
  readonly exposure: number;
  readonly samples: number;
  /** How far counts stray beyond chance: in the time before the trouble (absent when there was none), and in the trouble. */
  readonly scatter: readonly Scatter[];
  /** Exposure of every step where nobody counts it; null where it is known. */
  readonly assumedExposure: number | null;
}

/** How much more than by chance the counts of a stretch of time scatter around their mean. */
export interface Scatter {
  readonly samples: number;
  /** Sum of the squares of the expected counts. */
  readonly weight: number;
  /** Sum of squared deviations beyond what counting alone brings. */
  readonly excess: number;
  /** Sum of products of neighbouring deviations. */
  readonly lagged: number;
}

/** A service that never strays from its rate still deserves a little doubt: one per cent. */
const LEAST_EXCESS = 0.0001;
/** Where nearly all requests fail, so many of them still count as chance. */
const LEAST_CHANCE = 0.1;

/**
 * @param level counts since the trouble began, oldest first
 * @param history counts from before it
 * @param of see `CountReference`
 * @returns null when nothing was counted, or there is too little to tell how counts stray
 */
export function countReference(
  level: readonly Count[],
  history: readonly Count[],
  of: CountReference["of"],
  assumedExposure: number | null = null,
): CountReference | null {
  const events = sum(level, "events");
  const exposure = sum(level, "exposure");
  if (!(events > 0 && exposure > 0) || level.length + history.length < FEWEST_FOR_NOISE) return null;
  const calm = blocksOf(history)
    .map((block) => scatterOf(block, of))
    .filter(({ weight }) => weight > 0);
  const weight = sum(calm, "weight");
  const before: Scatter = {
    samples: sum(calm, "samples"),
    weight,
    excess: weight * median(calm.map((block) => block.excess / block.weight)),
    lagged: weight * median(calm.map((block) => block.lagged / block.weight)),
  };
  return {
    kind: "counts",
    of,
    events,
    exposure,
    samples: level.length,
    scatter: [...(calm.length > 0 ? [before] : []), scatterOf(level, of)],
    assumedExposure,
  };
}

/**
 * Requests a step that would make shares scatter as these do, for telemetry that tells shares and no counts: mean(1 - mean) / variance, by the
 * median over stretches of time. Null when nothing ever failed or nothing moves.
 */
export function exposureBehind(shares: readonly number[]): number | null {
  const guesses = blocksOf(shares).flatMap((block) => {
    const mean = average(block);
    const variance = block.reduce((total, value) => total + (value - mean) ** 2, 0) / (block.length - 1);
    return mean > 0 && mean < 1 && variance > 0 ? [(mean * (1 - mean)) / variance] : [];
  });
  return guesses.length > 0 ? median(guesses) : null;
}

/**
 * Compares two rates by their counts. Given the sum of both counts, the second is binomial, with the share of the exposure if nothing changed
 * (Przyborowski and Wilenski 1940); the interval of that binomial is Wilson's score interval (Wilson 1927), so that of the ratio is never
 * negative and holds from no events at all (compare Graham, Mengersen and Morton 2003). Where counts stray more than by
 * chance, they are divided by the factor by which their variance exceeds it (quasi-likelihood: Wedderburn 1974). That factor grows with the
 * counts as 1 + c·m, since what disturbs a service disturbs a share of its requests; c is found by moments (Breslow 1984) from before the
 * trouble, in it, and since the action. What strays beyond chance is autocorrelated, chance is not.
 *
 * @param horizon samples there will be at the last look
 */
export function countEvidence(before: CountReference, after: readonly Count[], horizon: number): Evidence {
  const events = sum(after, "events");
  const exposure = sum(after, "exposure");
  const scatter = [...before.scatter, scatterOf(after, before.of)];
  const weight = sum(scatter, "weight");
  const spread = weight > 0 ? Math.max(LEAST_EXCESS, sum(scatter, "excess") / weight) : LEAST_EXCESS;
  // The restricted estimate of the score test: the rate if nothing changed.
  const pooled = (before.events + events) / (before.exposure + exposure);
  const chance = before.of === "share" ? Math.max(LEAST_CHANCE, 1 - pooled) : 1;
  const telling = scatter.reduce((total, one) => {
    const beyond = spread * Math.sqrt(one.weight / one.samples);
    return total + one.samples * (beyond / (chance + beyond)) ** 2;
  }, 0);
  const rho = leaningOnUsual(weight > 0 ? sum(scatter, "lagged") / weight / spread : 0, telling);
  /** Variance of the count over its Poisson variance, when the exposure comes in so many steps. */
  const factor = (of: number, steps: number) => chance + spread * ((pooled * of) / steps) * inflation(steps, rho);
  const [one, two] = [
    { factor: factor(before.exposure, before.samples), exposure: before.exposure, events: before.events },
    { factor: factor(exposure, after.length), exposure, events },
  ];
  const atHorizon = (exposure / after.length) * horizon;
  const variance = (ofFactor: number, of: number) => ofFactor / (pooled * of);
  const known = variance(one.factor, one.exposure);
  const beyond = 1 - chance / two.factor;
  const resting = weight ** 2 / scatter.reduce((total, part) => total + part.weight ** 2 / part.samples, 0);
  return {
    observed: events / exposure,
    effect: events / exposure / (before.events / before.exposure) - 1,
    information: (known + variance(factor(atHorizon, horizon), atHorizon)) / (known + variance(two.factor, exposure)),
    degrees: weight > 0 ? (resting / inflation(resting, rho) - 2) / beyond ** 2 : 4,
    interval: (z) => {
      const [first, second] = [one.events / one.factor, two.events / two.factor];
      const odds = one.exposure / one.factor / (two.exposure / two.factor);
      const [low, high] = wilson(second, first + second, z);
      return [(low / (1 - low)) * odds - 1, (high / (1 - high)) * odds - 1];
    },
  };
}

function scatterOf(counts: readonly Count[], of: CountReference["of"]): Scatter {
  const n = counts.length;
  const rate = sum(counts, "events") / sum(counts, "exposure");
  const nothing = { samples: n, weight: 0, excess: 0, lagged: 0 };
  if (!(rate > 0)) return nothing;
  const chance = of === "share" ? Math.max(0, 1 - rate) : 1;
  const expected = counts.map(({ exposure }) => rate * exposure);
  const off = counts.map(({ events }, index) => events - (expected[index] ?? 0));
  const squares = off.reduce((total, one) => total + one ** 2, 0);
  const weight = expected.reduce((total, one) => total + one ** 2, 0);
  if (n < 2) return nothing;
  const byChance = expected.reduce((total, one) => total + one, 0) * chance;
  const neighbours = off.slice(1).reduce((total, one, index) => total + one * (off[index] ?? 0), 0);
  // Deviations from their own mean are too small, the more so when neighbours are alike, and their neighbours' products too low by one in n.
  const whole = squares / (1 - inflation(n, USUAL_AUTOCORRELATION.value) / n);
  return { samples: n, weight, excess: whole - byChance, lagged: neighbours + squares / n };
}

/** Score interval of a binomial share; `events` and `trials` need not be whole. */
function wilson(events: number, trials: number, z: number): readonly [number, number] {
  const share = events / trials;
  const centre = share + z ** 2 / (2 * trials);
  const margin = z * Math.sqrt((share * (1 - share)) / trials + (z / (2 * trials)) ** 2);
  const scale = 1 + z ** 2 / trials;
  return [Math.max(0, (centre - margin) / scale), (centre + margin) / scale];
}

function sum<K extends string>(of: readonly Readonly<Record<K, number>>[], key: K): number {
  return of.reduce((total, one) => total + one[key], 0);
}
