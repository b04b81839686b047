import type { Action } from "./catalogue/action.ts";
import type { ActionContext } from "./context.ts";
import type { Journal } from "./journal.ts";
import type { Execution, StoredProposal } from "./store.ts";

/** An execution on its way: what was approved, the action that carries it out, how far it is, and what it is carried out with. */
export interface Underway {
  readonly context: ActionContext;
  readonly journal: Journal;
  readonly stored: StoredProposal;
  readonly action: Action;
  readonly execution: Execution;
}
