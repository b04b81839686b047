import type { Proposal } from "../domain/proposal.ts";
import { type Kpis, kpis, type Worth } from "../learning/kpis.ts";
import type { FeedbackStore, InvestigationStore } from "./stores.ts";

export interface ReportSources {
  readonly investigations: InvestigationStore;
  readonly feedback: FeedbackStore;
  readonly proposals: () => Promise<readonly Proposal[]>;
}

/** Derives the KPIs from everything that is stored. */
export async function collectReport(sources: ReportSources, worth: Worth): Promise<Kpis> {
  const [investigations, incidents, feedback, proposals] = await Promise.all([
    sources.investigations.list(),
    sources.investigations.incidents(),
    sources.feedback.all(),
    sources.proposals(),
  ]);
  return kpis({ investigations, incidents, feedback, proposals }, worth);
}

const percent = (share: number | null): string => (share === null ? "–" : `${(share * 100).toFixed(0)} %`);
const minutes = (value: number | null): string => (value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} min`);

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

/** The KPIs for a terminal or a chat message, in Markdown. A dash means: nothing measured yet. */
export function reportText(figures: Kpis): string {
  const rows: [string, string][] = [
    ["Investigations", String(figures.investigations)],
    [
      "Verdicts",
      Object.entries(figures.verdicts)
        .map(([verdict, count]) => `${count} ${verdict}`)
        .join(", "),
    ],
    ["Accuracy", percent(figures.accuracy)],
    ["Completeness", percent(figures.completeness)],
    ["False positives", percent(figures.falsePositiveShare)],
    ["Proposals accepted", percent(figures.acceptanceRate)],
    [
      "Actions",
      Object.entries(figures.actions)
        .map(([state, count]) => `${count} ${state.replaceAll("_", " ")}`)
        .join(", ") || "–",
    ],
    ["Action effectiveness", percent(figures.actionEffectiveness)],
    ["Incidents caused by Vigil", String(figures.incidentsCaused)],
    ["Time to detect (median)", minutes(figures.minutesToDetect)],
    ["Time to cause (median)", minutes(figures.minutesToCause)],
    ["Time to resolve (median)", minutes(figures.minutesToResolve)],
    ["Model cost", `$${figures.cost.dollars.toFixed(2)}, ${figures.cost.inputTokens + figures.cost.outputTokens} tokens`],
    ["Claims struck for lack of evidence", String(figures.struckClaims)],
    ["Calibration (Brier score)", figures.brierScore === null ? "–" : figures.brierScore.toFixed(3)],
    ["Hours saved", `${figures.hoursSaved.toFixed(1)} = ${figures.hoursSavedFormula}`],
  ];
  const lines = rows.map(([name, value]) => `- **${name}:** ${value}`);
  const causes = figures.topCauses.map(({ cause, count }) => `  - ${cause}: ${count}`);
  return [...lines, ...(causes.length > 0 ? ["- **Top causes:**", ...causes] : [])].join("\n");
}
