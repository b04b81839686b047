/** Part of a PromQL or LogQL selector: `label op "value"`. */
export interface Matcher {
  readonly label: string;
  readonly op: "=" | "!=" | "=~" | "!~";
  readonly value: string;
}

/** A metric with matchers, taken apart, so that matchers can be added and every value is escaped when it is put together again. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

const METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const ONE = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)/y;

export const isMetricName = (name: string): boolean => METRIC.test(name) && name.length <= 200;
export const isLabelName = (name: string): boolean => LABEL.test(name) && name.length <= 200;

/** The label that Prometheus makes of an OpenTelemetry attribute: `http.route` becomes `http_route`. */
export function labelName(key: string): string {
  const name = key.replace(/[^a-zA-Z0-9_]/g, "_");
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

/** Reads `metric{label="value",…}`; null when it is anything else, an expression for instance. */
export function parseSelector(text: string): Selector | null {
  const match = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*$/s.exec(text);
  const metric = match?.[1];
  if (!metric) return null;
  const matchers: Matcher[] = [];
  const inside = match[2]?.trim() ?? "";
  ONE.lastIndex = 0;
  while (ONE.lastIndex < inside.length) {
    const one = ONE.exec(inside);
    if (!one) return null;
    const [, label = "", op = "=", value = ""] = one;
    matchers.push({ label, op: op as Matcher["op"], value: unescaped(value) });
  }
  return { metric, matchers };
}

/** As PromQL and LogQL read it; nothing in a value can end its string. */
export const quoted = (value: string): string =>
  `"${value
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
    .replace(/[\u0000-\u001f\u007f]/g, "")}"`;

/** Matches one of these values and nothing else. RE2 and Go's regular expressions anchor a matcher at both ends by themselves. */
export function oneOf(label: string, values: readonly string[]): Matcher {
  const [first] = values;
  if (values.length === 1 && first !== undefined) return { label, op: "=", value: first };
  return { label, op: "=~", value: values.map(literal).join("|") };
}

/** A regular expression (RE2) that matches this text only. */
export const literal = (text: string): string => text.replace(/[.+*?()|[\]{}^$\\]/g, "\\$&");

export const inBraces = (matchers: readonly Matcher[]): string =>
  `{${matchers.map(({ label, op, value }) => `${label}${op}${quoted(value)}`).join(",")}}`;

export const rendered = ({ metric, matchers }: Selector): string => `${metric}${matchers.length > 0 ? inBraces(matchers) : ""}`;

export const narrowed = (selector: Selector, more: readonly Matcher[]): Selector => ({
  metric: selector.metric,
  matchers: [...selector.matchers, ...more],
});

function unescaped(value: string): string {
  return value.replace(/\\(.)/gs, (_, char: string) => (char === "n" ? "\n" : char === "r" ? "\r" : char === "t" ? "\t" : char));
}
