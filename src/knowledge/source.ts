/** A document somewhere else, as Markdown. */
export interface SourceDocument {
  /** Stable within its source: a path or a key. */
  readonly file: string;
  /** Changes whenever the text does, so that what has not changed need not be read; null when only the text tells. */
  readonly version: string | null;
  /** Where it comes from, who wrote it and when; front matter of the text itself goes before. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Markdown, with front matter where there is any. */
  read(): Promise<string>;
}

/** A place where a team keeps what it knows. */
export interface DocumentSource {
  /** Name under which its documents are kept; unique. */
  readonly collection: string;
  /** The only place in which its documents may be cited, for instance `slack:C0123`; null for everywhere. */
  readonly audience: string | null;
  /**
   * All documents that are there now: what is missing from a later list was deleted.
   *
   * @throws when the place cannot be read; what is known of it is kept then
   */
  documents(onProblem: (problem: string) => void): Promise<readonly SourceDocument[]>;
}
