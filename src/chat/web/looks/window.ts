import { parseTime } from "../../../agent/time-words.ts";
import type { TimeRange } from "../../../domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, MINUTE } from "../../../domain/time.ts";
import { escaped } from "../html.ts";

/** Longer ones are cut at their beginning: a page must not read years. */
const LONGEST = 31 * DAY;

/**
 * The range that an address asks for: `from` and `to` as epoch milliseconds, ISO 8601, `02:00` or `-2h`. What is missing or wrong is the hour
 * before `to`, and `now`.
 */
export function windowOf(query: URLSearchParams, now: EpochMs): TimeRange {
  const moment = (key: "from" | "to"): EpochMs | null => {
    const text = query.get(key)?.trim() ?? "";
    const at = /^\d{10,15}$/.test(text) ? Number(text) : text ? parseTime(text, now) : null;
    return at !== null && Math.abs(at) <= 8.64e15 ? at : null;
  };
  const to = moment("to") ?? now;
  const from = moment("from") ?? to - HOUR;
  if (from >= to) return { from: to - HOUR, to };
  return { from: Math.max(from, to - LONGEST), to };
}

/** `2026-11-24 02:41` */
export const minute = (at: EpochMs): string => new Date(at).toISOString().slice(0, 16).replace("T", " ");

/** `2026-11-24 02:41 to 03:41 UTC`, the second day only where it is another. */
export function windowText({ from, to }: TimeRange): string {
  const [start, end] = [minute(from), minute(to)];
  return `${start} to ${start.slice(0, 10) === end.slice(0, 10) ? end.slice(11) : end} UTC`;
}

export const anchor = (href: string, text: string): string => `<a href="${escaped(href)}">${escaped(text)}</a>`;

/** Links to the time before, the time after, more of it, and the newest. */
export function moves(window: TimeRange, now: EpochMs, address: (window: TimeRange) => string): string {
  const length = window.to - window.from;
  const half = Math.max(length / 2, 5 * MINUTE);
  const later = Math.min(window.to + length, Math.max(now, window.to));
  const at = (from: EpochMs, to: EpochMs, text: string) => anchor(address({ from, to }), text);
  return [
    at(window.from - length, window.from, "← earlier"),
    at(window.from - half, Math.min(window.to + half, Math.max(now, window.to)), "wider"),
    ...(later > window.to + MINUTE ? [at(later - length, later, "later →"), at(window.from, now, "until now")] : []),
  ].join(" · ");
}
