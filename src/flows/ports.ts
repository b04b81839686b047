import type { Feedback, Verdict } from "../domain/feedback.ts";
import type { Answer, Investigation, InvestigationStep } from "../domain/investigation.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { ChangeEvent, MetricPoint } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";

/** A person on a chat surface. `id` is the surface's own stable id. */
export interface ChatUser {
  readonly surface: string;
  readonly id: string;
  readonly name: string;
}

/** A place to talk: a channel and the thread in it (null for the channel itself). */
export interface ThreadRef {
  readonly surface: string;
  readonly channel: string;
  readonly thread: string | null;
}

/** Where something was said: null where everyone may know it, else the private place, `slack:C0123`. What was said there is not told elsewhere. */
export type Audience = string | null;

/** The operator at the local page, who sees every card anyway. */
export const OPERATOR: Audience = "operator";

/** Whether who reads as `reader` may know what belongs to `place`. */
export const mayKnow = (place: Audience | undefined, reader: Audience): boolean =>
  (place ?? null) === null || reader === OPERATOR || place === reader;

/** The anomaly as a picture's data: expected band, the series, and markers where something changed. */
export interface AnomalyPicture {
  readonly title: string;
  /** Says in words what the picture shows. */
  readonly alt: string;
  readonly unit: string;
  readonly points: readonly MetricPoint[];
  readonly band: readonly { readonly at: EpochMs; readonly expected: number; readonly lower: number; readonly upper: number }[];
  readonly anomalyFrom: EpochMs;
  readonly anomalyTo: EpochMs | null;
  readonly changes: readonly ChangeEvent[];
  /** A level that must not be reached, in the unit. */
  readonly limit?: { readonly value: number; readonly label: string };
}

/** A picture and the key under which it is kept, so that a page can load it by its address. */
export interface KeptPicture {
  readonly key: string;
  readonly picture: AnomalyPicture;
}

export interface InvestigationView {
  readonly investigation: Investigation;
  readonly picture: AnomalyPicture | null;
  readonly feedback: readonly Feedback[];
}

export interface ProposalView {
  readonly proposal: Proposal;
  /** Goes into the button; a click without it is refused. Null once the proposal is no longer pending. */
  readonly nonce: string | null;
}

/**
 * The incident channel as the flows see it; one object stands for every connected surface. Showing the same investigation or proposal
 * again updates its message in place. Delivery is at least once and in order for each subject; a surface that is down never blocks a flow.
 */
export interface IncidentChannel {
  showInvestigation(view: InvestigationView): Promise<void>;
  /** In the thread of its investigation where there is one. */
  showProposal(view: ProposalView): Promise<void>;
  /** A new message in the thread of an investigation (verdicts, reminders): edits do not notify, this does. */
  tell(investigationId: string | null, text: string, picture?: KeptPicture | null): Promise<void>;
}

/** Where the answer to one question goes, as it is being made. */
export interface Reply {
  step(step: InvestigationStep): Promise<void>;
  answer(answer: Answer): Promise<void>;
  /** A plain sentence to the asker: a refusal or a failure, never a stack trace. */
  sorry(text: string): Promise<void>;
}

export interface IncomingQuestion {
  /** The surface's id of this message; the same id is answered once. */
  readonly messageId: string;
  readonly at: ThreadRef;
  readonly user: ChatUser;
  readonly text: string;
  /** Absent counts as null. */
  readonly audience?: Audience;
}

export interface IncomingDecision {
  readonly proposalId: string;
  readonly rev: number;
  readonly nonce: string;
  /** `again`: it ended without having run, and shall be proposed anew. */
  readonly verdict: "approve" | "deny" | "again";
  readonly reason: string | null;
  readonly user: ChatUser;
  /** Message that carried the button: must be the one the proposal's card was posted as. */
  readonly message: { readonly channel: string; readonly id: string };
  readonly via: "button" | "emoji";
}

/** What the clicker is told, privately where the surface can. `accepted` false leaves the state as it was. */
export interface DecisionReply {
  readonly accepted: boolean;
  readonly text: string;
}

export interface IncomingFeedback {
  readonly investigationId: string;
  readonly user: ChatUser;
  /** Null retracts this person's vote. */
  readonly verdict: Verdict | null;
  readonly realCause?: string | null;
  readonly missed?: string | null;
  readonly actionEffective?: boolean | null;
  readonly via: Feedback["via"];
  /** Absent counts as null. */
  readonly audience?: Audience;
}

/** What somebody did that a surface itself refused: a stranger's click, a request with a forged signature. */
export interface Refusal {
  readonly kind: "auth_reject" | "foreign_workspace" | "refused";
  /** `surface:id`, or the surface when nobody can be named. */
  readonly actor: string;
  readonly subject: string;
  readonly reason: string;
}

/** What a person sees at home: what waits for them, what runs, what it was worth. */
export interface HomeFacts {
  /** Why nothing may run, or null. */
  readonly stopped: string | null;
  readonly mind: string;
  readonly watchedSeries: number;
  /** Pending proposals, soonest expiry first; `yours` when this person could approve it. */
  readonly awaiting: readonly { readonly proposal: Proposal; readonly yours: boolean }[];
  readonly running: readonly { readonly id: string; readonly title: string; readonly startedAt: EpochMs }[];
  readonly figures: readonly { readonly name: string; readonly value: string }[];
  /** Messages that a platform did not take, with the remedy. */
  readonly undelivered: readonly { readonly surface: string; readonly count: number; readonly reason: string }[];
}

/** What a chat surface calls when people do something. Each returns quickly after its decision is stored. */
export interface ChatHandlers {
  ask(question: IncomingQuestion, reply: Reply): Promise<void>;
  decide(decision: IncomingDecision): Promise<DecisionReply>;
  feedback(feedback: IncomingFeedback): Promise<DecisionReply>;
  /** Stops what is being done in a thread: an answer or an investigation. */
  cancel(at: ThreadRef): Promise<void>;
  /** `status`, `stop`, `resume`, `investigate SERVICE`, `report`, `help`; answers in Markdown and works when the model is down. */
  command(text: string, user: ChatUser, at: ThreadRef): Promise<string>;
  home(user: ChatUser): Promise<HomeFacts>;
  /** Goes to the audit trail. */
  refused(refusal: Refusal): Promise<void>;
}
