import type { Anomaly } from "../domain/anomaly.ts";

/** A number with three significant digits and no exponent for everyday sizes. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "n/a";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}

/** `+12 %`, `-3.4 %`. Beyond ten times, comparisons are cut off there, and so is what is said. */
export function percent(share: number): string {
  if (share >= 10) return "over +1000 %";
  const value = share * 100;
  const text = Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
  return `${value > 0 ? "+" : ""}${text} %`;
}

/**
 * What is off, in words: `api latency +12 %`. A share of errors is told by itself, since "+445 %" of next to nothing tells nobody how bad it is:
 * `checkout errors 4.9 % (usually 0.2 %)`.
 */
export function deviation({ service, signal, kind, relativeChange, observed, expected }: Off): string {
  const name = `${service} ${signal.replace("_", " ")}`;
  if (kind === "missing") return `${name}: no data`;
  if (signal !== "errors") return `${name} ${percent(relativeChange)}`;
  return `${name} ${quantity(observed, "1")} (usually ${quantity(expected, "1")})`;
}

type Off = Pick<Anomaly, "service" | "signal" | "relativeChange" | "observed" | "expected"> & Partial<Pick<Anomaly, "kind">>;

/** A measured value in the unit that people read: seconds as milliseconds, shares as per cent, bytes as MB. */
export function quantity(value: number, unit: string): string {
  if (unit === "s") return Math.abs(value) < 10 ? `${number(value * 1000)} ms` : `${number(value)} s`;
  if (unit === "By") return `${number(value / 1e6)} MB`;
  if (unit === "1") return `${number(value * 100)} %`;
  return `${number(value)}${unit ? ` ${unit.replace(/[{}]/g, "")}` : ""}`;
}
