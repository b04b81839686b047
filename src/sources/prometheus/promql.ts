import { type RedSignal, SourceError, type Statistic } from "../../domain/telemetry.ts";
import { type Milliseconds, SECOND } from "../../domain/time.ts";
import type { RedTemplate } from "./presets.ts";
import { isLabelName, type Matcher, narrowed, rendered, type Selector } from "./selector.ts";

/** How a metric counts, as far as an expression must know. */
export type CountedAs = "gauge" | "sum" | "histogram";

const span = (window: Milliseconds): string => `${Math.ceil(window / SECOND)}s`;

const by = (labels: readonly string[]): string => {
  const wrong = labels.find((label) => !isLabelName(label));
  if (wrong !== undefined) throw new SourceError(`${JSON.stringify(wrong.slice(0, 80))} is no label that series can be split by`);
  return labels.length === 0 ? "" : ` by (${labels.join(", ")})`;
};

/** One value a service: the expression is grouped by the template's service label. Null when the template has no such signal. */
export function redExpression(
  template: RedTemplate,
  signal: RedSignal,
  matchers: readonly Matcher[],
  window: Milliseconds,
): string | null {
  const total = (selector: Selector) =>
    `sum by (${template.service}) (rate(${rendered(narrowed(selector, matchers))}[${span(window)}]))`;
  const { requests, failures, duration } = template;
  const scale = template.unit === "ms" ? " / 1000" : "";
  if (signal === "rate") return total(requests);
  // No series of failures means no failure, as long as there are requests.
  if (signal === "errors") return `(${total(failures)} or ${total(requests)} * 0) / (${total(requests)} > 0)`;
  if (!duration) return null;
  const part = (suffix: string): Selector => ({ ...duration, metric: `${duration.metric}_${suffix}` });
  if (signal === "latency") return `${total(part("sum"))} / (${total(part("count"))} > 0)${scale}`;
  const buckets = rendered(narrowed(part("bucket"), matchers));
  return `histogram_quantile(0.95, sum by (${template.service}, le) (rate(${buckets}[${span(window)}])))${scale}`;
}

/**
 * One statistic of one metric, as the embedded store defines it, split by some labels.
 *
 * @param window what one value looks back over; at least the step
 * @throws SourceError for a statistic that this kind of metric does not have
 */
export function statisticExpression(
  selector: Selector,
  kind: CountedAs,
  statistic: Statistic,
  split: readonly string[],
  window: { readonly rate: Milliseconds; readonly step: Milliseconds },
): string {
  const { metric } = selector;
  const over = (name: string, suffix: string, length: Milliseconds) =>
    `${name}(${rendered({ ...selector, metric: `${metric}${suffix}` })}[${span(length)}])`;
  const sum = (inner: string) => `sum${by(split)} (${inner})`;
  const perStep = window.step / SECOND;
  if (statistic === "p50" || statistic === "p95" || statistic === "p99") {
    if (kind !== "histogram")
      throw new SourceError(`${metric} is a ${kind}: ${statistic} needs a histogram; ask for avg or max instead`);
    const q = Number(statistic.slice(1)) / 100;
    return `histogram_quantile(${q}, sum${by([...split, "le"])} (${over("rate", "_bucket", window.rate)}))`;
  }
  if (kind === "histogram") {
    const [total, count] = [over("rate", "_sum", window.rate), over("rate", "_count", window.rate)];
    switch (statistic) {
      case "rate":
        return sum(count);
      case "count":
        return `${sum(count)} * ${perStep}`;
      case "sum":
        return `${sum(total)} * ${perStep}`;
      case "avg":
        return `${sum(total)} / (${sum(count)} > 0)`;
      default:
        return `${statistic}${by(split)} (${total} / (${count} > 0))`;
    }
  }
  if (kind === "sum") {
    const rate = over("rate", "", window.rate);
    if (statistic === "rate") return sum(rate);
    if (statistic === "count" || statistic === "sum") return `${sum(rate)} * ${perStep}`;
    return `${statistic}${by(split)} (${rate}) * ${perStep}`;
  }
  if (statistic === "rate") throw new SourceError(`${metric} is a gauge, which has no rate; ask for avg, min or max instead`);
  const inner = over(`${statistic}_over_time`, "", window.step);
  return `${statistic === "count" ? "sum" : statistic}${by(split)} (${inner})`;
}
