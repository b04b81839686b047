import { DAY, type EpochMs, HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";

const UNITS: Readonly<Record<string, Milliseconds>> = { m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/**
 * A time as people and models write it: ISO 8601 (UTC when no zone is given), `02:00` (its last occurrence), `2am`, `-2h`, `2h ago`,
 * `now`, `yesterday`, `midnight`, `last night`. Returns null when it is none of these.
 */
export function parseTime(text: string, now: EpochMs): EpochMs | null {
  const word = text.trim().toLowerCase();
  if (word === "now") return now;
  const today = Math.floor(now / DAY) * DAY;
  if (word === "yesterday") return today - DAY;
  if (word === "today" || word === "midnight" || word === "this morning") return today;
  if (word === "last night") return today - 2 * HOUR;
  const ago = /^-?\s*(\d+(?:\.\d+)?)\s*(m|h|d|w)(?:in(?:ute)?s?|(?:ou)?rs?|ays?|eeks?)?(?:\s+ago)?$/.exec(word);
  if (ago) return now - Number(ago[1]) * (UNITS[ago[2] ?? "h"] ?? HOUR);
  const clock = /^(\d{1,2})(?::(\d{2}))?\s*(am|pm)?(?:\s*(?:utc|z))?$/.exec(word);
  if (clock && (clock[2] || clock[3])) {
    let hour = Number(clock[1]);
    if (clock[3]) hour = (hour % 12) + (clock[3] === "pm" ? 12 : 0);
    const minute = Number(clock[2] ?? 0);
    if (hour > 23 || minute > 59) return null;
    const at = today + hour * HOUR + minute * MINUTE;
    return at > now ? at - DAY : at;
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(word)) return null;
  const zoned = /(?:z|[+-]\d{2}:?\d{2})$/.test(word) ? word : word.includes("t") || word.includes(" ") ? `${word}z` : word;
  const parsed = Date.parse(zoned.replace(" ", "t").toUpperCase());
  return Number.isNaN(parsed) ? null : parsed;
}

/** `2026-11-24 02:47 UTC`. */
export function utc(at: EpochMs): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** `02:47 UTC`. */
export function utcClock(at: EpochMs): string {
  return `${new Date(at).toISOString().slice(11, 16)} UTC`;
}

/** `6 h 5 min`, `12 min`. */
export function span(length: Milliseconds): string {
  const minutes = Math.max(0, Math.round(Math.abs(length) / MINUTE));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `${Math.round(minutes / 1440)} days`;
}
