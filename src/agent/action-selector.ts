import type { ChangeEvent } from "../domain/telemetry.ts";
import { type Finding, findingsOf } from "./findings.ts";

export interface Selection {
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly evidence: readonly string[];
}

export type Selected = { readonly ok: true; readonly change: ChangeEvent } | { readonly ok: false; readonly refusal: string };

const MEASURED: ReadonlySet<string> = new Set(["metrics", "traces", "causal", "causes", "anomalies"]);

/**
 * The gate between reasoning and proposing: code, not a prompt, decides. An action is accepted only when it undoes a change that a change
 * source reported in this investigation, measured evidence is cited for it, and no causal test cleared the target. Text in logs, runbooks or
 * chat can therefore never bring an action about (the action-selector pattern, arXiv 2506.08837).
 */
export function selectAction({ action, args, evidence }: Selection, findings: readonly Finding[]): Selected {
  const values = Object.values(args).filter((value): value is string => typeof value === "string");
  const changes = findingsOf(findings, "changes").flatMap(({ details }) => details.changes);
  const found = changes
    .filter(({ kind, subject }) => (kind === "flag" || kind === "deploy") && values.includes(subject))
    .filter(movesTraffic)
    .sort((a, b) => b.at - a.at);
  const wanted = args.percent ?? args.percentage;
  const change = found.find(({ kind, before }) => kind === "flag" && flagState(before)?.percent === wanted) ?? found[0];
  if (!change) {
    return refuse(
      `${action} does not undo any change seen in this investigation; call list_changes and act only on what it reports.`,
    );
  }
  const cited = findings.filter((finding) => evidence.includes(finding.evidence.id));
  const missing = evidence.filter((id) => !findings.some((finding) => finding.evidence.id === id));
  if (missing.length > 0) return refuse(`There is no evidence ${missing.join(", ")}; cite ids that tools returned.`);
  if (!cited.some(({ details }) => MEASURED.has(details.kind))) {
    return refuse("Cite at least one measurement (metrics, traces, anomalies, ranking or causal test) that backs the action.");
  }
  const cleared = findingsOf(findings, "causal").find(
    ({ details }) => details.flag === change.subject && details.result?.verdict === "not_causal",
  );
  if (cleared) return refuse(`The causal test ${cleared.evidence.id} cleared ${change.subject}; acting on it would not help.`);
  if (change.kind === "flag") {
    const was = flagState(change.before);
    if (typeof wanted === "number" && was !== null && wanted !== was.percent && wanted !== 0) {
      return refuse(`${change.subject} was at ${was.percent} % before the change; propose that or 0 %, not ${wanted} %.`);
    }
  }
  return { ok: true, change };
}

const refuse = (refusal: string): Selected => ({ ok: false, refusal });

/** False for a change that left the real traffic as it was, such as a causal test's on test traffic. */
export function movesTraffic({ kind, before, after }: ChangeEvent): boolean {
  if (kind !== "flag") return before !== after;
  const [was, is] = [flagState(before), flagState(after)];
  return was === null || is === null || was.percent !== is.percent;
}

/** Reads a flag's short state text: `25% on`, `on`, `off`, `disabled`, `0%`, `enabled at 50 %`, `28% on, off for test traffic`. Null when it says neither. */
export function flagState(state: string): { readonly enabled: boolean; readonly percent: number } | null {
  const text = state.replace(/,\s*off for .*$/i, "");
  const share = /(\d+(?:\.\d+)?)\s*%/.exec(text);
  const off = /\b(?:off|disabled|false|absent|none|archived)\b/i.test(text);
  if (share) {
    const percent = Number(share[1]);
    return { enabled: !off && percent > 0, percent: off ? 0 : percent };
  }
  if (off) return { enabled: false, percent: 0 };
  if (/\b(?:on|enabled|true|all)\b/i.test(text)) return { enabled: true, percent: 100 };
  return null;
}
