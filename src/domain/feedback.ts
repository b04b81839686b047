import type { EpochMs } from "./time.ts";

export type Verdict = "correct" | "partly" | "incorrect" | "noise";

/** Which mind and which prompts wrote what was judged. */
export interface Authorship {
  readonly mind: string;
  /** Name and version, `investigate@3`. */
  readonly prompts: readonly string[];
}

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
  /** Absent in votes older than this field. */
  readonly author?: Authorship | null;
  /** The private place where its text was said, `slack:C0123`; null or absent where everyone may know it. */
  readonly audience?: string | null;
}
