import type { EpochMs } from "./time.ts";

export type Verdict = "correct" | "partly" | "incorrect" | "noise";

/** What a responder said of an investigation. One current record for each person and investigation; edits keep history. */
export interface Feedback {
  readonly investigationId: string;
  readonly user: string;
  readonly verdict: Verdict;
  /** The real cause and what was missed, as the responder typed them: untrusted text. */
  readonly realCause: string | null;
  readonly missed: string | null;
  readonly actionEffective: boolean | null;
  /** How it was given. */
  readonly via: "button" | "form" | "reaction" | "inferred";
  readonly at: EpochMs;
}
