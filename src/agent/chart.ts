import type { Chart } from "../domain/investigation.ts";
import { type Finding, findingsOf } from "./findings.ts";

/** The picture of the last series that was asked for by its name, with last week's shifted onto it where that is what it was compared with. */
export function chartOf(findings: readonly Finding[]): Chart | null {
  const asked = findingsOf(findings, "metrics").findLast(({ details }) => details.series.some(({ course }) => course));
  const series = asked?.details.series.find(({ course }) => course);
  if (!asked || !series?.course || series.course.during.length < 2) return null;
  const { during, baseline, shift } = series.course;
  const compares = shift > 0 && (asked.evidence.args.compareWith ?? "before") !== "before";
  return {
    title: `${asked.details.service} ${series.name.replace("_", " ")}`,
    alt: asked.evidence.summary.split("\n").slice(0, 2).join(" "),
    unit: series.unit,
    points: during,
    compared: compares ? baseline.map(({ at, value }) => ({ at: at + shift, value })) : [],
  };
}
