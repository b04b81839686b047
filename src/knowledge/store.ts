/** Where documents and the vectors of their chunks are kept. */
export interface KnowledgeStore {
  documents(): Promise<
    readonly { readonly key: string; readonly collection: string; readonly hash: string; readonly body: string }[]
  >;
  put(document: {
    readonly key: string;
    readonly collection: string;
    readonly hash: string;
    readonly body: string;
  }): Promise<void>;
  remove(key: string): Promise<void>;
  vectors(model: string, hashes: readonly string[]): Promise<Map<string, Float32Array>>;
  saveVectors(model: string, vectors: readonly { readonly hash: string; readonly vector: Float32Array }[]): Promise<void>;
}
