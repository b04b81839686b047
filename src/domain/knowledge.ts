import type { ServiceName } from "./telemetry.ts";

export type DocumentKind = "incident" | "runbook" | "architecture" | "post-mortem" | "note";

export interface SearchHit {
  /** Stable id of the document: its front matter's `id`, or its path in the folder it came from. */
  readonly documentId: string;
  readonly kind: DocumentKind;
  readonly title: string;
  /** Path relative to the folder that was ingested. */
  readonly file: string;
  /** Fused score, higher is better; comparable within one query only. */
  readonly score: number;
  /** The chunk that matched best: untrusted text. */
  readonly excerpt: string;
  readonly services: readonly ServiceName[];
  /** Front matter that a reader wants to see: severity, started, root_cause, resolution. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Why it ranks here, for instance `meaning 0.71, words 12.3, helped in INC-31`. */
  readonly why: string;
}

export interface SearchQuery {
  readonly text: string;
  /**
   * What telemetry says beside it, one short text a sign: an error template, the words of a metric's name. Looked for by words, each by itself;
   * the best matches of a document count, so that routine noise among them costs nothing.
   */
  readonly signs?: readonly string[];
  readonly kinds?: readonly DocumentKind[];
  readonly services?: readonly ServiceName[];
  /** Only documents that were ingested under this name. */
  readonly collection?: string;
  readonly top: number;
}

/** The context repository as its readers see it. */
export interface KnowledgeBase {
  search(query: SearchQuery): Promise<readonly SearchHit[]>;
  /** Full text of one document, or null. */
  document(id: string): Promise<{
    readonly title: string;
    readonly kind: DocumentKind;
    readonly text: string;
    readonly metadata?: Readonly<Record<string, string>>;
  } | null>;
}
