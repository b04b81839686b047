import type { Chart } from "../domain/investigation.ts";
import type { AnomalyPicture } from "./ports.ts";

/** Under which the picture of an answer is kept and shown. `messageId` is the question's. */
export const pictureKey = (messageId: string): string => `answer-${messageId}`;

/** A chart of an answer as surfaces draw pictures: what it is compared with as a dashed line, nothing marked as anomalous. */
export function pictureOfChart({ title, alt, unit, points, compared }: Chart): AnomalyPicture {
  const from = points[0]?.at ?? 0;
  const band = compared.map(({ at, value }) => ({ at, expected: value, lower: value, upper: value }));
  return { title, alt, unit, points, band, anomalyFrom: from, anomalyTo: from, changes: [] };
}
