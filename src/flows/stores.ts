import type { Recording } from "../agent/recording.ts";
import type { Feedback } from "../domain/feedback.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation, InvestigationState } from "../domain/investigation.ts";
import type { EpochMs } from "../domain/time.ts";
import type { AnomalyPicture, ThreadRef } from "./ports.ts";

/** Where incidents and investigations are kept; every write is durable when its promise resolves. */
export interface InvestigationStore {
  nextId(prefix: "INV" | "ANO" | "IN"): Promise<string>;
  saveIncident(incident: Incident): Promise<void>;
  incident(id: string): Promise<Incident | null>;
  incidents(): Promise<Incident[]>;
  unresolvedIncidents(): Promise<Incident[]>;
  save(investigation: Investigation): Promise<void>;
  get(id: string): Promise<Investigation | null>;
  ofIncident(incidentId: string): Promise<Investigation | null>;
  list(filter?: { state?: InvestigationState; since?: EpochMs }): Promise<Investigation[]>;
  savePicture(id: string, picture: AnomalyPicture): Promise<void>;
  picture(id: string): Promise<AnomalyPicture | null>;
}

/** What investigations saw, and pictures that answers were given with. */
export interface RecordingStore {
  saveRecording(investigationId: string, recording: Recording): Promise<void>;
  recording(investigationId: string): Promise<Recording | null>;
  /** `key` names the message that shows it. */
  saveAnswerPicture(key: string, picture: AnomalyPicture): Promise<void>;
  answerPicture(key: string): Promise<AnomalyPicture | null>;
}

export interface Turn {
  readonly id: string;
  readonly at: EpochMs;
  readonly from: "engineer" | "vigil";
  readonly text: string;
  /** Who said it, `surface:id`, so that it can be forgotten with its author. Written, not read. */
  readonly author?: string;
}

/** What was said in each thread. */
export interface ConversationLog {
  /** False when a turn with this id is there already: the message was delivered twice. */
  addTurn(at: ThreadRef, turn: Turn): Promise<boolean>;
  /** The newest `limit` turns, oldest first. */
  turns(at: ThreadRef, limit: number): Promise<Turn[]>;
}

/** Small JSON values under keys: detector states, cursors. */
export interface WatchMemory {
  remember(key: string, value: unknown): Promise<void>;
  recall<T>(key: string): Promise<T | null>;
  forget(prefix: string): Promise<void>;
}

/** One current verdict for each person and investigation; every edit and retraction stays in the history. */
export interface FeedbackStore {
  put(feedback: Feedback): Promise<void>;
  retract(investigationId: string, user: string, at: EpochMs): Promise<void>;
  of(investigationId: string): Promise<Feedback[]>;
  all(): Promise<Feedback[]>;
  /** Every edit in the order of time; `feedback` null where a vote was withdrawn. */
  history(investigationId: string): Promise<{ user: string; at: EpochMs; feedback: Feedback | null }[]>;
}
