import { TargetError } from "../actions/ports.ts";
import { SourceUnavailable } from "../domain/telemetry.ts";
import type { AgentDependencies } from "./types.ts";

/**
 * The same sources, and what could not be had from them is told to `note`, whoever catches the failure: an investigation goes on without
 * a source, but its report says so.
 */
export function notedSources(deps: AgentDependencies, note: (failure: string) => void): AgentDependencies {
  const tried = async <T>(concern: string, answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      // What failed in the first clause, what to do in the rest: that is for `doctor`.
      if (error instanceof SourceUnavailable || error instanceof TargetError) note(noted(concern, error.message));
      throw error;
    }
  };
  const { metrics, logs, traces, changes, causal } = deps;
  const { exemplars, presence } = metrics;
  return {
    ...deps,
    metrics: {
      services: () => tried("metrics", metrics.services()),
      metrics: (service) => tried("metrics", metrics.metrics(service)),
      query: (query, signal) => tried("metrics", metrics.query(query, signal)),
      red: (query, signal) => tried("metrics", metrics.red(query, signal)),
      ...(presence ? { presence: (service, at) => tried("metrics", presence.call(metrics, service, at)) } : {}),
      ...(exemplars ? { exemplars: (query, signal) => tried("metrics", exemplars.call(metrics, query, signal)) } : {}),
    },
    logs: { logs: (query, signal) => tried("logs", logs.logs(query, signal)) },
    traces: {
      spans: (query, signal) => tried("traces", traces.spans(query, signal)),
      dependencies: (range, signal) => tried("traces", traces.dependencies(range, signal)),
    },
    changes: {
      changes: (query) => {
        for (const reason of changes.unread?.() ?? []) note(noted("changes", reason));
        return tried("changes", changes.changes(query));
      },
      unread: () => changes.unread?.() ?? [],
    },
    causal: {
      run: (request, signal) => causal.run(request, signal),
      candidates: () => tried("flags", causal.candidates()),
    },
  };
}

const noted = (concern: string, message: string): string => `${concern}: ${message.split("; ")[0]?.replace(/\.$/, "")}, not used`;
