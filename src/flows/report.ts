import type { Proposal } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import { type AlertFact, type Kpis, kpis, type Rival, type Worth } from "../learning/kpis.ts";
import type { Reliability } from "../learning/reliability.ts";
import type { FeedbackStore, InvestigationStore } from "./stores.ts";

export type { Kpis } from "../learning/kpis.ts";
export type { Reliability } from "../learning/reliability.ts";

export interface ReportSources {
  readonly investigations: Pick<InvestigationStore, "list" | "incidents">;
  readonly feedback: Pick<FeedbackStore, "all">;
  readonly proposals: () => Promise<readonly Proposal[]>;
  readonly alerts?: () => Promise<readonly AlertFact[]>;
}

/** Derives the KPIs from everything that is stored, or from what began since a moment. */
export async function collectReport(sources: ReportSources, worth: Worth, since: EpochMs = 0): Promise<Kpis> {
  const [investigations, incidents, feedback, proposals, alerts = []] = await Promise.all([
    sources.investigations.list(since > 0 ? { since } : {}),
    sources.investigations.incidents(),
    sources.feedback.all(),
    sources.proposals(),
    sources.alerts?.(),
  ]);
  const ids = new Set(investigations.map(({ id }) => id));
  const ofThem = new Set(investigations.map(({ incidentId }) => incidentId));
  return kpis(
    {
      investigations,
      incidents: since > 0 ? incidents.filter(({ id }) => ofThem.has(id)) : incidents,
      feedback: feedback.filter(({ investigationId }) => ids.has(investigationId)),
      proposals: proposals.filter(({ createdAt }) => createdAt >= since),
      alerts,
    },
    worth,
  );
}

const percent = (share: number | null): string => (share === null ? "–" : `${(share * 100).toFixed(0)} %`);
const minutes = (value: number | null): string =>
  value === null
    ? "–"
    : value < 1
      ? `${(value * 60).toFixed(value < 1 / 6 ? 1 : 0)} s`
      : `${value.toFixed(value < 10 ? 1 : 0)} min`;

/** The figures that fit on a phone. A dash means: nothing measured yet. */
export function headlineFigures(figures: Kpis): { name: string; value: string }[] {
  return [
    { name: "Investigations", value: String(figures.investigations) },
    { name: "Accuracy", value: percent(figures.accuracy) },
    { name: "False positives", value: percent(figures.falsePositiveShare) },
    { name: "Time to cause", value: minutes(figures.minutesToCause) },
    { name: "Actions that helped", value: percent(figures.actionEffectiveness) },
    { name: "Incidents caused", value: String(figures.incidentsCaused) },
    { name: "Hours saved", value: figures.hoursSaved.toFixed(1) },
    { name: "Model cost", value: `$${figures.cost.dollars.toFixed(2)}` },
  ];
}

/** Every figure by name, in the order in which people read them; a dash means: nothing measured yet. */
export function reportRows(figures: Kpis): { readonly name: string; readonly value: string }[] {
  const { noticed, verdicts, votes, cost } = figures;
  const counts = (record: Readonly<Record<string, number>>) =>
    Object.entries(record)
      .map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`)
      .join(", ") || "–";
  const rows: [string, string][] = [
    ["Investigations", String(figures.investigations)],
    ["Verdicts", counts(verdicts)],
    ["Votes", `${votes.people} by people, ${votes.inferred} inferred`],
    ["Accuracy", percent(figures.accuracy)],
    ["Completeness", percent(figures.completeness)],
    ["Action effectiveness", percent(figures.actionEffectiveness)],
    ["False positives", percent(figures.falsePositiveShare)],
    ["Proposals accepted", percent(figures.acceptanceRate)],
    ["Actions", counts(figures.actions)],
    ["Incidents caused by Vigil", String(figures.incidentsCaused)],
    ["Time to detect (median)", `${minutes(figures.minutesToDetect)}; first alert after ${minutes(figures.minutesToAlert)}`],
    ["First to notice", `Vigil ${noticed.vigilFirst}, an alert ${noticed.alertFirst}, Vigil alone ${noticed.vigilOnly}`],
    ["Time to cause (median)", minutes(figures.minutesToCause)],
    ["Time to resolve (median)", minutes(figures.minutesToResolve)],
    ...figures.resolution.map(({ severity, incidents, minutes: time }): [string, string] => [
      `Time to resolve, ${severity}`,
      `${minutes(time)} (${incidents} incident${incidents === 1 ? "" : "s"})`,
    ]),
    ["Model cost", `$${cost.dollars.toFixed(2)}, ${cost.inputTokens + cost.outputTokens} tokens`],
    ["Claims struck for lack of evidence", `${figures.struckClaims} (${percent(figures.strikeRate)})`],
    ["Confidence that it is the cause", calibrationWords(figures.reliability.cause)],
    ["Confidence that it is real", calibrationWords(figures.reliability.real)],
    ["Hours saved", `${figures.hoursSaved.toFixed(1)} = ${figures.hoursSavedFormula}`],
    ["Worth", `$${figures.dollarsSaved.toFixed(0)} after model cost`],
  ];
  return rows.map(([name, value]) => ({ name, value }));
}

/** How far confidence is off, and how far it would be by chance alone. */
function calibrationWords({ claims, error, floor, debiased, brierScore }: Reliability): string {
  if (error === null || floor === null || debiased === null || brierScore === null) return "–";
  const write = (value: number) => value.toFixed(3);
  return `calibration error ${write(error)} over ${claims} judged (by chance alone ${write(floor)}; debiased ${write(debiased)}), Brier score ${write(brierScore)}`;
}

/** A figure of the article beside ours. */
export const rivalLine = ({ what, article, ours, from }: Rival): { readonly article: string; readonly ours: string } => {
  const write = (value: number) => (what === "incidents caused" ? String(value) : percent(value));
  return { article: `${write(article)} ${what}`, ours: `${ours === null ? "–" : write(ours)} (${from})` };
};

/** The KPIs for a terminal or a chat message, in Markdown; what was not measured yet is left out. */
export function reportText(figures: Kpis): string {
  if (figures.investigations === 0) return "Nothing was investigated yet: the figures begin with the first investigation.";
  const lines = reportRows(figures)
    .filter(({ value }) => !value.startsWith("–"))
    .map(({ name, value }) => `- **${name}:** ${value}`);
  const causes = figures.topCauses.map(({ cause, count }) => `  - ${cause}: ${count}`);
  const rivals = figures.rivals
    .filter(({ ours }) => ours !== null)
    .map(rivalLine)
    .map(({ article, ours }) => `  - ${article}; here ${ours}`);
  return [
    ...lines,
    ...(causes.length > 0 ? ["- **Top causes:**", ...causes] : []),
    ...(rivals.length > 0 ? ["- **Published of such agents, and here:**", ...rivals] : []),
  ].join("\n");
}

/** The figures as CSV (RFC 4180): name, value. Tables of the report follow as `table.row`. */
export function reportCsv(figures: Kpis): string {
  const cells: [string, string | number | null][] = [];
  const walk = (path: string, value: unknown): void => {
    if (Array.isArray(value)) for (const [index, item] of value.entries()) walk(`${path}.${nameOf(item) ?? index + 1}`, item);
    else if (value !== null && typeof value === "object")
      for (const [key, item] of Object.entries(value)) walk(path ? `${path}.${key}` : key, item);
    else cells.push([path, value as string | number | null]);
  };
  walk("", figures);
  const quoted = (cell: string | number | null) => {
    // A leading formula character would be run by spreadsheets.
    const text = cell === null ? "" : String(cell).replace(/^(?=[=+@\t\r]|-(?!\d))/, "'");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[["figure", "value"] as [string, string], ...cells].map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;
}

function nameOf(item: unknown): string | null {
  const { cause, action, severity, what } = (item ?? {}) as Record<string, unknown>;
  const name = cause ?? action ?? severity ?? what;
  return typeof name === "string" ? name.replaceAll(/[.\s]+/g, "_") : null;
}
