export { readCatalog } from "./catalog.ts";
export { DocumentError, parseMarkdown } from "./document.ts";
export { type Embedder, LocalEmbedder } from "./embedder.ts";
export { Knowledge, type KnowledgeOptions, type NewDocument, openKnowledge } from "./knowledge.ts";
export { OpenAiEmbedder } from "./openai-embedder.ts";
export type { DocumentSource } from "./source.ts";
