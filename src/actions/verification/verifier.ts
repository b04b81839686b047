import { countEvidence } from "./counts.ts";
import type { Evidence, Sample } from "./evidence.ts";
import { levelEvidence } from "./levels.ts";
import { studentised } from "./noise.ts";
import type { Reference } from "./reference.ts";

/** What counts as success, fixed before the action. */
export interface EffectCriterion {
  /** Where the metric should go. */
  readonly direction: "down" | "up";
  /** Relative change against the baseline that counts as success, for instance 0.05. */
  readonly minimumEffect: number;
}

/** What is to be shown: that an action helped, or that after its undoing the signal is no worse than before it. */
export type Question = "helped" | "no worse";

/**
 * `success`: shown. `harm`: the signal went the wrong way, beyond chance. `no_help`: a change worth having can be excluded. `inconclusive`: the
 * data, or the lack of it, excludes neither.
 */
export type VerificationState = "watching" | "success" | "harm" | "no_help" | "inconclusive";

/** The decision so far, with the numbers that a message quotes. */
export interface VerificationReading {
  readonly state: VerificationState;
  /** Mean before the action, in the metric's unit. */
  readonly baseline: number;
  /** Mean since the action, or null before the first sample. */
  readonly observed: number | null;
  /** `observed / baseline - 1`; -0.12 is twelve per cent down. Null before the first sample. */
  readonly effect: number | null;
  /** Interval for `effect` that stays valid however often one looks. */
  readonly interval: readonly [number, number] | null;
  readonly samples: number;
  readonly missing: number;
  /** Samples still to come before the window closes; while it is extended, before that ends. */
  readonly remaining: number;
  /** Why it stands so, in a few words. */
  readonly reason: string;
}

/** Everything a verifier knows, as plain JSON: write it down after each sample and a crash loses nothing. */
export interface VerifierSnapshot {
  readonly criterion: EffectCriterion;
  readonly window: number;
  /** Absent: the window is not extended. */
  readonly longest?: number;
  readonly settle: number;
  /** Absent: whether it helped. */
  readonly question?: Question;
  readonly baseline: Reference;
  readonly values: readonly (Sample | null)[];
  readonly decided: VerificationReading | null;
}

/** Normal quantile of 0.98: by the reflection principle a Brownian path exceeds it with a chance of 4 %, the false decisions allowed each way. */
const CRITICAL = 2.0537;
const FEWEST_SAMPLES = 3;
/** Relative change that nobody would want to lose: an action is undone for want of effect only when so much help, or more, can be excluded. */
const WORTH_KEEPING = 0.1;

/**
 * Begins to watch.
 *
 * @param baseline what the signal was like before the action
 * @param window samples (steps) to watch before judging
 * @param options `settle`: first steps that are passed over, while the action takes hold; they count towards the window. `longest`: samples to
 *   which the window is extended while the data, though there, decides nothing; the window unless told. `question`: "helped" unless told
 * @throws RangeError when the criterion or the window makes no sense
 */
export function startVerification(
  baseline: Reference,
  criterion: EffectCriterion,
  window: number,
  options: { readonly settle?: number; readonly longest?: number; readonly question?: Question } = {},
): Verifier {
  const { settle = 0, longest = window, question = "helped" } = options;
  if (!(criterion.minimumEffect > 0)) {
    throw new RangeError(`minimumEffect is ${criterion.minimumEffect}; give a share above 0, for instance 0.05.`);
  }
  if (!Number.isInteger(window) || window < settle + FEWEST_SAMPLES) {
    throw new RangeError(`The window is ${window} samples; give at least ${settle + FEWEST_SAMPLES}.`);
  }
  if (!Number.isInteger(longest) || longest < window) {
    throw new RangeError(`The window of ${window} samples cannot be extended to ${longest}.`);
  }
  return new Verifier({ criterion, window, longest, settle, question, baseline, values: [], decided: null });
}

/**
 * Decides sample by sample whether an action helped. Group-sequential comparison against a baseline fixed beforehand: the O'Brien-Fleming
 * boundary (O'Brien and Fleming 1979, continuous form by Lan and DeMets 1983) on the information scale, so that looking at every sample costs
 * no more false decisions than looking once; intervals are the repeated ones of Jennison and Turnbull (1989). "No help" is non-superiority: the
 * interval excludes a change worth keeping. It is judged only when the window is over, since help may be slow to come; while nothing is decided
 * then, the window is extended. Levels are compared by `levelEvidence`, counts by `countEvidence`. Missing data is never success.
 */
export class Verifier {
  readonly #fixed: Omit<VerifierSnapshot, "values" | "decided">;
  readonly #values: (Sample | null)[];
  #decided: VerificationReading | null;

  constructor({ values, decided, ...fixed }: VerifierSnapshot) {
    this.#fixed = fixed;
    this.#values = [...values];
    this.#decided = decided;
  }

  static fromJSON(snapshot: VerifierSnapshot): Verifier {
    return new Verifier(snapshot);
  }

  toJSON(): VerifierSnapshot {
    return { ...this.#fixed, values: [...this.#values], decided: this.#decided };
  }

  /** Takes the next step's sample, or null when the step had no data. After a decision the decision stays. */
  observe(sample: Sample | null): VerificationReading {
    if (this.#decided) return this.#decided;
    this.#values.push(sample !== null && usable(sample) ? sample : null);
    const reading = this.#judge();
    if (reading.state !== "watching") this.#decided = reading;
    return reading;
  }

  #judge(): VerificationReading {
    const { baseline, criterion, window, longest = window, settle, question = "helped" } = this.#fixed;
    const watched = this.#values.slice(settle);
    const present = watched.filter((sample) => sample !== null);
    const samples = present.length;
    const missing = watched.length - samples;
    const over = this.#values.length >= window;
    const remaining = Math.max(0, (over ? longest : window) - this.#values.length);
    const before = "events" in baseline ? baseline.events / baseline.exposure : baseline.mean;
    const nothing = { baseline: before, observed: null, effect: null, interval: null, samples, missing, remaining };
    const evidence = samples > 0 ? evidenceOf(baseline, present, longest - settle) : null;
    if (!evidence) {
      if (!over) return { ...nothing, state: "watching", reason: "no data yet" };
      return { ...nothing, state: "inconclusive", reason: "no data arrived after the action" };
    }
    const { observed, effect, degrees } = evidence;
    const interval = evidence.interval(studentised(CRITICAL, degrees) / Math.sqrt(Math.min(1, evidence.information)));
    const numbers = { ...nothing, observed, effect, interval };
    const [low, high] = interval;
    const [gain, least, most] = criterion.direction === "down" ? [-effect, -high, -low] : [effect, low, high];
    const enough = samples >= FEWEST_SAMPLES && this.#values.at(-1) !== null && samples * 2 >= watched.length;
    // A drift far below what would count as success is not worth an alarm.
    if (enough && most <= 0 && -gain >= criterion.minimumEffect / 2) {
      return { ...numbers, state: "harm", reason: `moved ${percent(-gain)} the wrong way, beyond chance` };
    }
    if (question === "helped" && enough && least >= 0 && gain >= criterion.minimumEffect) {
      return { ...numbers, state: "success", reason: `moved ${percent(gain)} the wanted way, beyond chance` };
    }
    if (question === "no worse" && enough && (least > -WORTH_KEEPING || (over && gain > -WORTH_KEEPING))) {
      const told = "no worse than before the action";
      const doubt = ` as far as can be told (worse by up to ${percent(-least)} cannot be excluded)`;
      return { ...numbers, state: "success", reason: least > -WORTH_KEEPING ? told : `${told}${doubt}` };
    }
    if (!over) return { ...numbers, state: "watching", reason: `${remaining} more samples to come` };
    if (samples * 2 < watched.length || samples < FEWEST_SAMPLES) {
      return { ...numbers, state: "inconclusive", reason: `${missing} of ${watched.length} samples are missing` };
    }
    if (
      question === "helped" &&
      enough &&
      gain < criterion.minimumEffect &&
      most < Math.max(WORTH_KEEPING, criterion.minimumEffect)
    ) {
      return { ...numbers, state: "no_help", reason: `no evidence of help: at most ${percent(Math.max(0, most))}` };
    }
    if (remaining > 0) return { ...numbers, state: "watching", reason: `not clear yet; up to ${remaining} more samples to come` };
    return {
      ...numbers,
      state: "inconclusive",
      reason: `the noise of the signal hides a change between ${percent(least)} and ${percent(most)}`,
    };
  }
}

function usable(sample: Sample): boolean {
  if (typeof sample === "number") return Number.isFinite(sample);
  return Number.isFinite(sample.events) && sample.events >= 0 && Number.isFinite(sample.exposure) && sample.exposure > 0;
}

/** Null when samples are of another kind than the baseline. */
function evidenceOf(baseline: Reference, samples: readonly Sample[], horizon: number): Evidence | null {
  if (baseline.kind === "counts") {
    const counts = samples.filter((sample) => typeof sample !== "number");
    return counts.length > 0 ? countEvidence(baseline, counts, horizon) : null;
  }
  const levels = samples.filter((sample) => typeof sample === "number");
  return levels.length > 0 ? levelEvidence(baseline, levels, horizon) : null;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
