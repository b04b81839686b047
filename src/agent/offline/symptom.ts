import type { Anomaly } from "../../domain/anomaly.ts";
import type { Focus } from "../../domain/investigation.ts";
import type { ChangeEvent } from "../../domain/telemetry.ts";
import { HOUR } from "../../domain/time.ts";
import { flagState } from "../action-selector.ts";
import type { Suspect } from "./suspect.ts";

const LONGEST = 480;
/** A change that was put back this long before now, and longer than a moment ago, has had its time to help. */
const PUT_BACK_WITHIN = 6 * HOUR;

/**
 * A trouble in words that past incidents and runbooks are searched by: which signals of which services moved, and once there is a lead, its mechanism in the
 * words of those who made the change. Without figures and names of flags, since another time will have had others. What logs and other metrics
 * show is added by the search itself.
 */
export function symptomWords(
  focus: Focus,
  anomalies: readonly Anomaly[],
  lead: Suspect | null,
  changes: readonly ChangeEvent[] = [],
): string {
  const moved = new Map<string, Set<string>>();
  for (const { service, signal, direction, kind } of anomalies) {
    const words =
      kind === "missing" ? "no metrics arrive, the target is down or gone," : `${signal.replace("_", " ")} ${direction}`;
    moved.set(words, (moved.get(words) ?? new Set()).add(service));
  }
  const seen = [...moved].map(([words, services]) => `${words} in ${[...services].slice(0, 6).join(", ")}`);
  const symptom = seen.join("; ") || `${focus.service ?? "service"} slow`;
  const undone = putBack(changes, focus);
  const words = undone ? `a ${undone.kind === "flag" ? "feature flag" : undone.kind} was put back and it did not help` : null;
  return [symptom, mechanism(lead, undone), words].filter(Boolean).join("; ").slice(0, LONGEST);
}

function mechanism(lead: Suspect | null, undone: ChangeEvent | null): string | null {
  if (!lead) return null;
  // Why a change was put back says less of a trouble than why it was made.
  const change = undone && lead.change?.subject === undone.subject ? undone : lead.change;
  const told = change?.summary ? `: ${change.summary}` : "";
  const words: Partial<Record<Suspect["cause"], string>> = {
    flag: `after a feature flag was ${change && lowers(change) ? "turned down" : "rolled out to more requests"}${told}`,
    deploy: `after a deploy of a new version of ${lead.service ?? "a service"}${told}`,
    dependency: `${lead.service ?? "a dependency"} became slow and others wait for it, a resource is exhausted`,
    resource: `${lead.service ?? "a service"} runs out of a resource`,
    traffic: "more traffic than usual",
  };
  return words[lead.cause] ?? null;
}

function lowers({ kind, before, after }: ChangeEvent): boolean {
  if (kind !== "flag") return false;
  const [was, is] = [flagState(before), flagState(after)];
  return was !== null && is !== null && is.percent < was.percent;
}

/** The change that was put back since the trouble began, the newest one; null when none was. */
function putBack(changes: readonly ChangeEvent[], { onset, now }: Focus): ChangeEvent | null {
  const ordered = [...changes].sort((a, b) => b.at - a.at);
  for (const back of ordered) {
    if (back.at < onset || back.at < now - PUT_BACK_WITHIN) continue;
    const made = ordered.find(
      (one) => one.at < back.at && one.kind === back.kind && one.subject === back.subject && one.before === back.after,
    );
    if (made) return made;
  }
  return null;
}
