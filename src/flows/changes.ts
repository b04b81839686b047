import type { ChangeEvent } from "../domain/telemetry.ts";

/** A change as its system tells it; `at` is wall clock, texts are cleaned and still untrusted. */
export interface IncomingChange extends ChangeEvent {
  /** What people wrote about it (pull request, flag description, diff summary), for search. */
  readonly context: string;
  /** Changes that are about the same thing share this, for instance a pull request and the deploy of its commit: `github:owner/repo@SHA`. */
  readonly about?: string;
}

/** Takes changes in; what it took is durable when its promise resolves. The same id counts once. */
export interface ChangeIntake {
  take(changes: readonly IncomingChange[]): Promise<void>;
}
