import { createServer, type Server } from "node:http";
import type { EpochMs } from "../domain/time.ts";
import type { MetricBatch, SpanLine } from "./export.ts";
import { OPENMETRICS, OpenMetrics } from "./openmetrics.ts";

const SERVER = 1;

/**
 * The shop's `/metrics`, as every process of a shop has one; here one stands for all, and `job` tells them apart. With `?time=demo` each
 * sample bears the demo's time, for a clock that runs faster than the scraper's.
 */
export class MetricsEndpoint {
  readonly #totals = new OpenMetrics();
  readonly #server: Server;
  #at: EpochMs | null = null;

  constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://shop");
      if (request.method !== "GET" || url.pathname !== "/metrics") {
        response.writeHead(404).end();
        return;
      }
      const stamp = url.searchParams.get("time") === "demo" ? this.#at : null;
      response.writeHead(200, { "content-type": OPENMETRICS });
      response.end(`${this.#at === null ? "" : this.#totals.lines(stamp)}# EOF\n`);
    });
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((done, failed) => {
      this.#server.once("error", failed);
      this.#server.listen(port, "127.0.0.1", done);
    });
  }

  /** @param at demo time at the end of what is added */
  add(batches: readonly MetricBatch[], at: EpochMs): void {
    this.#totals.add(batches);
    this.#at = at;
  }

  /** Each minute's slowest request of a service is remembered beside its bucket. */
  remember(spans: readonly SpanLine[]): void {
    const slowest = new Map<string, SpanLine>();
    for (const span of spans) {
      if (span.kind === SERVER && span.duration > (slowest.get(span.service)?.duration ?? 0)) slowest.set(span.service, span);
    }
    for (const { service, name, duration, failed, traceId, attributes } of slowest.values()) {
      const labels = {
        "traffic.cohort": attributes["traffic.cohort"] ?? "live",
        "http.route": name.slice(name.indexOf(" ") + 1),
        "http.response.status_code": failed ? "500" : "200",
      };
      this.#totals.exemplar(service, "http.server.request.duration", labels, traceId, duration / 1_000);
    }
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
