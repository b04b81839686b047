import type { Incident } from "../domain/incident.ts";
import { MINUTE } from "../domain/time.ts";
import type { AlertRecord } from "./alert.ts";

const MOST_NAMED = 3;

const nameOf = ({ title, service }: AlertRecord): string => (service ? `${title} on ${service}` : title);

function listOf(items: readonly string[], most: number): string {
  const distinct = [...new Set(items)];
  const shown = distinct.slice(0, most).join(", ");
  return distinct.length > most ? `${shown} and ${distinct.length - most} more` : shown;
}

const count = (many: number, word: string): string => `${many} ${word}${many === 1 ? "" : "s"}`;

/** What an investigation is asked that alerts open: the first says it, the rest are counted. */
export function questionOf([first, ...others]: readonly AlertRecord[]): string {
  if (!first) return "An alert fires.";
  const summary = first.summary && first.summary !== first.title ? ` ${first.summary}` : "";
  const more = others.length > 0 ? ` Together with ${listOf(others.map(nameOf), MOST_NAMED)}.` : "";
  return `Alert from ${first.source}: ${nameOf(first)}.${summary}${more}`;
}

/** For the thread of an investigation that alerts have joined. */
export function joinedLine(alerts: readonly AlertRecord[], again: boolean): string {
  const what = listOf(alerts.map(nameOf), MOST_NAMED);
  if (again) return `Firing again: ${what}.`;
  return alerts.length === 1 ? `This alert fires too: ${what}.` : `${count(alerts.length, "alert")} fire too: ${what}.`;
}

/** For the thread of an investigation whose alerts have ended; `incident` when it has ended with them. */
export function resolvedLine(alerts: readonly AlertRecord[], incident: Incident | null): string {
  const longest = Math.max(...alerts.map(({ startsAt, endsAt }) => (endsAt ?? startsAt) - startsAt));
  const line = `Resolved after ${count(Math.max(1, Math.round(longest / MINUTE)), "minute")}: ${listOf(alerts.map(nameOf), MOST_NAMED)}.`;
  return incident ? `${line} No alert of ${incident.id} is left; it is closed.` : line;
}

/** One line for the channel about a storm. */
export function digestLine(alerts: readonly AlertRecord[]): string {
  const groups = new Map<string, AlertRecord[]>();
  for (const alert of alerts) {
    const key = alert.investigationId ?? "";
    groups.set(key, [...(groups.get(key) ?? []), alert]);
  }
  const lines = [...groups]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([id, members]) => {
      const services = listOf(
        members.flatMap(({ service }) => service ?? []),
        MOST_NAMED,
      );
      return `${id} ${count(members.length, "alert")}${services ? ` on ${services}` : ""}`;
    });
  const times = alerts.map(({ receivedAt }) => receivedAt);
  const seconds = Math.max(1, Math.ceil((Math.max(...times) - Math.min(...times)) / 1_000));
  return `${count(alerts.length, "alert")} within ${count(seconds, "second")}, ${count(groups.size, "investigation")}: ${lines.join("; ")}.`;
}
