import type { Severity } from "../domain/telemetry.ts";

/** From the least to the gravest. */
const SEVERITIES: readonly Severity[] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/** The words that loggers use, by the severity they mean. */
const WORDS: Readonly<Record<Severity, readonly string[]>> = {
  TRACE: ["trace", "finest"],
  DEBUG: ["debug", "fine"],
  INFO: ["info", "information", "informational", "notice"],
  WARN: ["warn", "warning"],
  ERROR: ["error", "err", "severe"],
  FATAL: ["fatal", "critical", "crit", "alert", "emergency", "emerg", "panic"],
};

export function severityOf(text: string | undefined): Severity | null {
  const word = text?.trim().toLowerCase() ?? "";
  return SEVERITIES.find((severity) => WORDS[severity].includes(word)) ?? null;
}

/** Every word for a severity at least this grave, in lower case. */
export const wordsFrom = (least: Severity): readonly string[] =>
  SEVERITIES.slice(SEVERITIES.indexOf(least)).flatMap((severity) => WORDS[severity]);
