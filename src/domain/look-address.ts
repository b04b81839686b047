import type { TimeRange } from "./telemetry.ts";

/** The path on Vigil's page that shows what was looked at within a window; parameters without a value are left out. */
export function lookAddress(
  path: string,
  { from, to }: TimeRange,
  more: Readonly<Record<string, string | null | undefined>> = {},
): string {
  const query = new URLSearchParams(Object.entries(more).flatMap(([key, value]) => (value ? [[key, value]] : [])));
  query.set("from", String(Math.round(from)));
  query.set("to", String(Math.round(to)));
  return `${path}?${query}`;
}
