export { readCatalog } from "./catalog.ts";
export { DocumentError, parseMarkdown } from "./document.ts";
export { type Embedder, LocalEmbedder } from "./embedder.ts";
export { type Ingestion, Knowledge, type KnowledgeOptions, type NewDocument, openKnowledge } from "./knowledge.ts";
export { OpenAiEmbedder, type OpenAiEmbedderOptions } from "./openai-embedder.ts";
export type { DocumentSource, SourceDocument } from "./source.ts";
export type { KnowledgeStore } from "./store.ts";
