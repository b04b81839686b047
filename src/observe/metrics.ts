import { timingSafeEqual } from "node:crypto";
import { Router } from "express";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { AgentMeter } from "../agent/observe.ts";

/** What is read at the moment of a scrape. */
export interface StateFigures {
  readonly watchedSeries: number;
  readonly runningInvestigations: number;
  readonly pendingProposals: number;
  readonly stopped: boolean;
  /** Whether this replica watches and posts for all. */
  readonly leads: boolean;
  /** Seconds between now and the newest telemetry; null when there is none. */
  readonly telemetryLag: number | null;
}

const CALL_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80];
const TOOL_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const TASK_SECONDS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 900];
const TOKENS = [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000];

/** Prometheus metrics of the reasoning: names of the GenAI conventions where they have one, `vigil_` for the rest. */
export class Metrics implements AgentMeter {
  readonly registry = new Registry();
  readonly #operations = this.#histogram(
    "gen_ai_client_operation_duration_seconds",
    "Duration of a call of a model",
    ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type"],
    CALL_SECONDS,
  );
  readonly #tokens = this.#histogram(
    "gen_ai_client_token_usage",
    "Tokens of a call of a model",
    ["gen_ai_token_type", "gen_ai_provider_name", "gen_ai_request_model"],
    TOKENS,
  );
  readonly #dollars = this.#counter("vigil_model_cost_dollars_total", "US dollars by the configured price table", [
    "gen_ai_request_model",
  ]);
  readonly #tools = this.#counter("vigil_tool_calls_total", "Calls of tools", ["tool", "outcome"]);
  readonly #toolSeconds = this.#histogram(
    "vigil_tool_call_duration_seconds",
    "Duration of a call of a tool",
    ["tool"],
    TOOL_SECONDS,
  );
  readonly #tasks = this.#counter("vigil_tasks_total", "Investigations and answers by what came of them", [
    "task",
    "mind",
    "outcome",
  ]);
  readonly #taskSeconds = this.#histogram(
    "vigil_task_duration_seconds",
    "Duration of an investigation or answer",
    ["task", "mind"],
    TASK_SECONDS,
  );
  readonly #fallbacks = this.#counter(
    "vigil_fallbacks_total",
    "Tasks in which no model could go on and the offline reasoner stood in",
    ["task"],
  );
  readonly #claims = this.#counter("vigil_claims_total", "Claims checked against evidence; the strike rate is struck over all", [
    "verdict",
  ]);
  readonly #suspicious = this.#counter("vigil_suspicious_evidence_total", "Evidence whose text tried to give instructions", []);

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  modelCall({
    model,
    provider,
    error,
    seconds,
    inputTokens,
    outputTokens,
    dollars,
  }: Parameters<AgentMeter["modelCall"]>[0]): void {
    const labels = { gen_ai_provider_name: provider, gen_ai_request_model: model };
    this.#operations.observe({ ...labels, gen_ai_operation_name: "chat", error_type: error ?? "" }, seconds);
    if (error !== null) return;
    this.#tokens.observe({ ...labels, gen_ai_token_type: "input" }, inputTokens);
    this.#tokens.observe({ ...labels, gen_ai_token_type: "output" }, outputTokens);
    this.#dollars.inc({ gen_ai_request_model: model }, dollars);
  }

  toolCall({ tool, failed, cached, seconds }: Parameters<AgentMeter["toolCall"]>[0]): void {
    this.#tools.inc({ tool, outcome: failed ? "error" : cached ? "cached" : "ok" });
    this.#toolSeconds.observe({ tool }, seconds);
  }

  finished({ task, mind, outcome, fellBack, seconds, claims, struck, suspicious }: Parameters<AgentMeter["finished"]>[0]): void {
    this.#tasks.inc({ task, mind, outcome });
    this.#taskSeconds.observe({ task, mind }, seconds);
    if (fellBack) this.#fallbacks.inc({ task });
    this.#claims.inc({ verdict: "kept" }, claims - struck);
    this.#claims.inc({ verdict: "struck" }, struck);
    this.#suspicious.inc(suspicious);
  }

  /** Adds gauges that are read at each scrape. */
  watch(read: () => Promise<StateFigures>): void {
    const gauge = (name: string, help: string, of: (figures: StateFigures) => number | null) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        async collect() {
          const value = of(await read());
          if (value === null) this.reset();
          else this.set(value);
        },
      });
    gauge("vigil_watched_series", "Series under watch", ({ watchedSeries }) => watchedSeries);
    gauge("vigil_leads", "1 where this replica watches and posts for all", ({ leads }) => Number(leads));
    gauge("vigil_running_investigations", "Investigations that run now", ({ runningInvestigations }) => runningInvestigations);
    gauge("vigil_pending_proposals", "Proposals that await a decision", ({ pendingProposals }) => pendingProposals);
    gauge("vigil_stopped", "1 while people have stopped all actions", ({ stopped }) => Number(stopped));
    gauge("vigil_telemetry_lag_seconds", "Age of the newest telemetry", ({ telemetryLag }) => telemetryLag);
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]) {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #histogram<Label extends string>(name: string, help: string, labelNames: readonly Label[], buckets: readonly number[]) {
    return new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [this.registry] });
  }
}

/** `GET /metrics` in Prometheus' text format; with a token, only for who sends it as a bearer. */
export function metricsRouter({ registry }: Metrics, token: string | undefined): Router {
  const router = Router();
  router.get("/metrics", async (request, response) => {
    if (token && !isBearer(request.headers.authorization, token)) {
      response
        .status(401)
        .set("www-authenticate", "Bearer")
        .json({ error: "Send the configured token: Authorization: Bearer …" });
      return;
    }
    response.type(registry.contentType).send(await registry.metrics());
  });
  return router;
}

/** Compares in constant time. */
export function isBearer(header: string | undefined, token: string): boolean {
  const [given, wanted] = [Buffer.from(header ?? ""), Buffer.from(`Bearer ${token}`)];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
