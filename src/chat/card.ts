import type { Verdict } from "../domain/feedback.ts";
import type { InvestigationStep } from "../domain/investigation.ts";
import type { AnomalyPicture } from "../flows/ports.ts";

/**
 * A message as every surface understands it. Nothing here knows Slack, Teams or a browser; each renders it in its own way
 * and within its own limits. Strings called `markdown` use the subset of `markdown.ts`; all others are plain text.
 */
export interface Card {
  readonly kind: "investigation" | "proposal" | "answer" | "note";
  /** `INV-1`, `PRO-3`, …; null where there is nothing to come back to. */
  readonly id: string | null;
  /** What the message stands for, `investigation:INV-1`; the same subject is always the same message. Empty for a message of its own. */
  readonly subject: string;
  readonly tone: Tone;
  /** A word or two for the state: `Investigating`, `Verified`. */
  readonly badge: string;
  readonly title: string;
  /** At most 200 characters that tell the story: notification, screen reader, lock screen. */
  readonly story: string;
  readonly body: readonly CardBlock[];
  /** Folded on a page, in the thread elsewhere. */
  readonly folds: readonly Fold[];
  readonly buttons: readonly Button[];
  /** What ended without having run, as people may have it proposed anew; absent where there is no such thing. */
  readonly again?: AgainButton;
  readonly feedback: FeedbackBar | null;
  /** Small print: which mind, cost, time. Plain text. */
  readonly context: readonly string[];
}

/** `working` is in progress, `quiet` is over without news. */
export type Tone = "working" | "good" | "attention" | "bad" | "quiet";

export type CardBlock =
  | { readonly type: "text"; readonly markdown: string }
  | { readonly type: "fields"; readonly fields: readonly { readonly name: string; readonly markdown: string }[] }
  | { readonly type: "picture"; readonly investigationId: string; readonly version: string; readonly picture: AnomalyPicture }
  | { readonly type: "steps"; readonly steps: readonly InvestigationStep[] }
  | { readonly type: "hypotheses"; readonly items: readonly HypothesisLine[] }
  | { readonly type: "evidence"; readonly items: readonly EvidenceLine[] }
  | { readonly type: "stages"; readonly stages: readonly Stage[] }
  | { readonly type: "code"; readonly text: string };

export interface HypothesisLine {
  readonly status: "supported" | "refuted" | "open";
  /** 0 to 1 */
  readonly confidence: number;
  readonly markdown: string;
  readonly evidenceFor: readonly string[];
  readonly evidenceAgainst: readonly string[];
}

export interface EvidenceLine {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  /** The tool and its arguments, so that anyone can ask again. */
  readonly source: string;
  /** An `http(s)` address, or null. */
  readonly link: string | null;
  /** Where Vigil's page shows it: `/evidence/INV-1/E1`; where it is of no investigation that everyone may know, what it looked at; else null. */
  readonly page: string | null;
  readonly suspicious: boolean;
}

export interface Stage {
  readonly name: string;
  readonly state: "done" | "now" | "ahead" | "failed";
}

/** `open` shows it unfolded where there is room. */
export interface Fold {
  readonly id: string;
  readonly title: string;
  readonly open: boolean;
  readonly blocks: readonly CardBlock[];
}

export type Button =
  | {
      readonly type: "approve";
      readonly proposalId: string;
      readonly rev: number;
      readonly nonce: string;
      readonly label: string;
      readonly confirm: { readonly title: string; readonly text: string };
      /** The approver must say why; a form asks for it. */
      readonly reason: boolean;
      readonly tier: string;
      /** Wall clock. */
      readonly expiresAt: number;
    }
  | {
      readonly type: "deny";
      readonly proposalId: string;
      readonly rev: number;
      readonly nonce: string;
      readonly label: string;
    };

export interface AgainButton {
  readonly proposalId: string;
  readonly rev: number;
  readonly nonce: string;
  readonly label: string;
}

export interface FeedbackBar {
  readonly investigationId: string;
  readonly question: string;
  readonly votes: readonly { readonly user: string; readonly verdict: Verdict }[];
  /** Ask whether the action helped. */
  readonly acted: boolean;
}

export const VERDICTS: readonly { readonly verdict: Verdict; readonly label: string; readonly emoji: string }[] = [
  { verdict: "correct", label: "Correct", emoji: "✓" },
  { verdict: "partly", label: "Partly", emoji: "≈" },
  { verdict: "incorrect", label: "Incorrect", emoji: "✗" },
  { verdict: "noise", label: "Noise", emoji: "∅" },
];

export const STATUS_MARKS = { supported: "✓", refuted: "✗", open: "?" } as const;
