import type { CauseKind } from "./investigation.ts";
import type { ServiceName } from "./telemetry.ts";
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

/** What somebody says against an investigation, or wants looked at that may change it. */
export interface Objection {
  /** Who says so. */
  readonly by: string;
  readonly words: string;
  /** They say that what led is wrong; otherwise they only want something looked at. */
  readonly doubts: boolean;
  /** Service to look at, when one is named. */
  readonly service: ServiceName | null;
  /** The kind of cause that it was, as they say. */
  readonly blames: CauseKind | null;
  /** The kind of cause that it was not. */
  readonly clears: CauseKind | null;
}

/** A kind of cause that verdicts have made likelier, or less likely, in a service. */
export interface LearnedPrior {
  readonly cause: CauseKind;
  readonly service: ServiceName | null;
  /** Logarithm of its odds against chance, within ±1.5. */
  readonly weight: number;
  /** Why, for people: `flag was the cause in search before (INV-3, INV-9)`. */
  readonly words: string;
}
