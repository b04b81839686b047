import type { Labels, Span } from "../../domain/telemetry.ts";

/** Requests that carry an attribute value against the other requests of the same operations and the same minutes. */
export interface AttributeContrast {
  /** `feature_flag`, or an attribute's key. */
  readonly key: string;
  readonly value: string;
  readonly samples: { readonly with: number; readonly without: number };
  /** Geometric mean duration with over without, less one. */
  readonly slower: number;
  /** Failed share with, less without; -1 to 1. */
  readonly failing: number;
  /** Of the larger of the two effects, in standard errors. */
  readonly z: number;
}

const FLAG_KEY = "feature_flag.key";
const FLAG_VARIANTS = ["feature_flag.result.variant", "feature_flag.variant"];
const VERSION = "service.version";
const LEAST = 15;

/**
 * Compares spans by attribute. Durations are compared as logarithms, centred for each service and operation, by Welch's statistic;
 * failures by the difference of two proportions. A flag's key and variant (OpenTelemetry feature-flag conventions) count as one attribute.
 * Strongest first.
 */
export function contrast(spans: readonly Span[], most = 40): AttributeContrast[] {
  const served = spans.filter(
    ({ kind, duration }) => (kind === "server" || kind === "consumer" || kind === "internal") && duration > 0,
  );
  const groups = new Map<string, Span[]>();
  for (const span of served) {
    const key = `${span.service}\u0000${span.operation}`;
    const group = groups.get(key);
    if (group) group.push(span);
    else groups.set(key, [span]);
  }
  const rows: { readonly log: number; readonly failed: number; readonly marks: ReadonlyMap<string, string> }[] = [];
  for (const group of groups.values()) {
    const mean = group.reduce((sum, { duration }) => sum + Math.log(duration), 0) / group.length;
    for (const span of group) {
      rows.push({ log: Math.log(span.duration) - mean, failed: span.error ? 1 : 0, marks: marksOf(span.attributes) });
    }
  }
  const values = new Map<string, Map<string, number>>();
  for (const { marks } of rows) {
    for (const [key, value] of marks) {
      const counts = values.get(key) ?? new Map<string, number>();
      counts.set(value, (counts.get(value) ?? 0) + 1);
      values.set(key, counts);
    }
  }
  const found: AttributeContrast[] = [];
  for (const [key, counts] of values) {
    if (counts.size > 12) continue;
    for (const [value, count] of counts) {
      if (count < LEAST) continue;
      // Spans without the attribute at all are other work; only those that carry it with another value are comparable.
      const pool = rows.filter(({ marks }) => marks.has(key));
      const one = compareRows(pool, key, value);
      if (one) found.push(one);
    }
  }
  return found.sort((a, b) => Math.abs(b.z) - Math.abs(a.z)).slice(0, most);
}

function compareRows(
  rows: readonly { readonly log: number; readonly failed: number; readonly marks: ReadonlyMap<string, string> }[],
  key: string,
  value: string,
): AttributeContrast | null {
  const inside = rows.filter(({ marks }) => marks.get(key) === value);
  const outside = rows.filter(({ marks }) => marks.get(key) !== value);
  if (inside.length < LEAST || outside.length < LEAST) return null;
  const [a, b] = [moments(inside.map(({ log }) => log)), moments(outside.map(({ log }) => log))];
  const error = Math.sqrt(a.variance / inside.length + b.variance / outside.length) || 1e-9;
  const slowZ = (a.mean - b.mean) / error;
  const failA = inside.reduce((sum, { failed }) => sum + failed, 0) / inside.length;
  const failB = outside.reduce((sum, { failed }) => sum + failed, 0) / outside.length;
  const pooled = (failA * inside.length + failB * outside.length) / (inside.length + outside.length);
  const failError = Math.sqrt(pooled * (1 - pooled) * (1 / inside.length + 1 / outside.length));
  const failZ = failError === 0 ? 0 : (failA - failB) / failError;
  return {
    key,
    value,
    samples: { with: inside.length, without: outside.length },
    slower: Math.exp(a.mean - b.mean) - 1,
    failing: failA - failB,
    z: Math.abs(failZ) > Math.abs(slowZ) ? failZ : slowZ,
  };
}

/** A flag becomes `feature_flag:KEY` → variant, so that two flags on one kind of request are told apart. */
function marksOf(attributes: Labels): ReadonlyMap<string, string> {
  const marks = new Map<string, string>();
  const flag = attributes[FLAG_KEY];
  const variant = FLAG_VARIANTS.map((key) => attributes[key]).find((one) => one !== undefined);
  if (flag && variant !== undefined) marks.set(`feature_flag:${flag}`, variant);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === FLAG_KEY || FLAG_VARIANTS.includes(key) || value.length > 60) continue;
    // Several flags on one span: `feature_flag.KEY.variant` or `feature_flag.KEY`.
    const several = /^feature_flag\.(.+?)(?:\.(?:result\.)?variant)?$/.exec(key)?.[1];
    if (several && !/^(?:key|provider|result|context|set|version)\b/.test(several)) marks.set(`feature_flag:${several}`, value);
    else if (!key.startsWith("feature_flag.")) marks.set(key, value);
  }
  return marks;
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1) };
}

/** The contrast of a flag, or null when spans do not tell. With several variants, the strongest. */
export function flagContrast(contrasts: readonly AttributeContrast[], flag: string): AttributeContrast | null {
  const own = contrasts.filter(({ key }) => key === `feature_flag:${flag}`);
  return own.find(({ z }) => z > 0) ?? own[0] ?? null;
}

/** The contrast of a version of the service, or null when only one version is running. */
export function versionContrast(contrasts: readonly AttributeContrast[], version: string): AttributeContrast | null {
  return contrasts.find(({ key, value }) => key === VERSION && (value === version || version.endsWith(` ${value}`))) ?? null;
}

/** Strong and large enough to speak for a cause. */
export function isTelling({ z, slower, failing }: AttributeContrast): boolean {
  return z >= 4 && (slower >= 0.05 || failing >= 0.01);
}

/** Enough samples, and no difference: speaks against a cause. */
export function isClearing({ z, samples, slower }: AttributeContrast): boolean {
  return Math.min(samples.with, samples.without) >= 30 && z < 2 && slower < 0.05;
}
