import type { Objection } from "../../domain/feedback.ts";

export interface OfflineSettings {
  /** Below this, nothing is proposed and the report says "unknown". */
  readonly minimumConfidence: number;
  /** False for answering a question: nothing is filed. */
  readonly propose?: boolean;
  /** What a person said of the investigation that is taken up again. */
  readonly objection?: Objection | null;
}
