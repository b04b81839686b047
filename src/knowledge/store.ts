export interface StoredDocument {
  /** Collection and path, or collection and id: unique. */
  readonly key: string;
  readonly collection: string;
  /** Of the whole content. */
  readonly hash: string;
  /** JSON of the document. */
  readonly body: string;
}

export interface StoredVector {
  /** Of the text that was embedded. */
  readonly hash: string;
  readonly vector: Float32Array;
}

/** Where documents and the vectors of their passages are kept. What it holds is the truth; every index is made from it. */
export interface KnowledgeStore {
  documents(): Promise<readonly StoredDocument[]>;
  put(document: StoredDocument): Promise<void>;
  remove(key: string): Promise<void>;
  vectors(model: string, hashes: readonly string[]): Promise<Map<string, Float32Array>>;
  saveVectors(model: string, vectors: readonly StoredVector[]): Promise<void>;
  removeVectors(hashes: readonly string[]): Promise<void>;
}
