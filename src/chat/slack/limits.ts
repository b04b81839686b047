/** Slack's limits in code points and counts, from its Block Kit reference. */
export const LIMITS = {
  blocks: 50,
  viewBlocks: 100,
  section: 3_000,
  field: 2_000,
  fields: 10,
  header: 150,
  contextElements: 10,
  contextText: 2_000,
  button: 75,
  value: 2_000,
  confirmTitle: 100,
  confirmText: 300,
  confirmButton: 30,
  modalTitle: 24,
  metadata: 3_000,
  /** Slack names no limit; more does not fit under a field. */
  formError: 150,
  /** Slack cuts longer texts off itself, at 40 000; 4 000 is what it recommends. */
  text: 3_900,
  streamText: 12_000,
  input: 3_000,
} as const;
