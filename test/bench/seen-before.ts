import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createSreAgent } from "../../src/agent/index.ts";
import type { SearchHit, SearchQuery } from "../../src/domain/knowledge.ts";
import type { LogRecord } from "../../src/domain/telemetry.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { recordedDesk } from "../../src/flows/eval/desk.ts";
import { recordedScanner, watchRecording } from "../../src/flows/eval/watch.ts";
import { openKnowledge } from "../../src/knowledge/index.ts";
import { KnowledgeRepository } from "../../src/store/knowledge.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { type DemoFamily, type DemoRecording, demoRecording } from "../support/demo-recording.ts";

/**
 * "Have we seen this before?": the rank of the right past incident among those that ship, by what is searched for. First by signals and services
 * alone, then with all signs in one long text, then with each sign by itself as Vigil does; with ever more routine lines and metrics among the signs. Then
 * the agent itself on the demo's stories, with its own queries. The signs of the first table were written by hand as common software logs them.
 */
const root = resolve(import.meta.dirname, "../..");
const state = await openStateDatabase(":memory:");
const knowledge = await openKnowledge({ store: new KnowledgeRepository(state) });
await knowledge.ingestFolder(join(root, "data"), { collection: "shipped" });

interface Case {
  readonly relevant: readonly string[];
  readonly moved: Readonly<Record<string, readonly string[]>>;
  /** `service: text`. */
  readonly signs: readonly string[];
  readonly metrics: readonly string[];
}
const cases = JSON.parse(readFileSync(join(import.meta.dirname, "incident-signs.json"), "utf8")) as Case[];
const ROUTINE = [
  "api: served requests in the last minute",
  "cart: guest cart expired before sign-in",
  "checkout: deprecated header x-client-version received",
  "storefront: slow third party script loaded from analytics",
  "inventory: stock of products reconciled",
  "payments: certificate of partner renews in days",
  "session-cache: background saving terminated with success",
  "orders-db: checkpoint complete wrote buffers",
  "catalog: health check took longer than usual",
  "api: connection closed by client before response",
];
const ROUTINE_METRICS = ["process cpu utilization up", "go goroutines down", "process memory usage up"];

const rankIn = (hits: readonly SearchHit[], relevant: readonly string[]): number => {
  const at = hits.findIndex(({ documentId }) => relevant.includes(documentId));
  return at < 0 ? Number.POSITIVE_INFINITY : at + 1;
};
const rank = async (query: Partial<SearchQuery> & { readonly text: string }, relevant: readonly string[]) =>
  rankIn(await knowledge.search({ kinds: ["incident", "post-mortem"], top: 100, ...query }), relevant);
const scores = (ranks: readonly number[]) => ({
  "R@1": (ranks.filter((one) => one === 1).length / ranks.length).toFixed(2),
  MRR: (ranks.reduce((sum, one) => sum + 1 / one, 0) / ranks.length).toFixed(3),
});

const table: Record<string, object> = {};
for (const noise of [0, 3, 6]) {
  const ranks: Record<string, number[]> = {
    "signals and services alone": [],
    "all signs in one text": [],
    "each sign by itself": [],
  };
  for (const [index, { relevant, moved, signs, metrics }] of cases.entries()) {
    const text = Object.entries(moved)
      .map(([words, services]) => `${words} in ${services.join(", ")}`)
      .join("; ");
    const services = [...new Set(Object.values(moved).flat())];
    const all = [
      ...signs,
      ...Array.from({ length: noise }, (_, at) => ROUTINE[(index + 3 * at) % ROUTINE.length] ?? ""),
      ...metrics,
      ...(noise > 0 ? [0, 1] : []).map((at) => ROUTINE_METRICS[(index + at) % ROUTINE_METRICS.length] ?? ""),
    ].map((one) => one.replace(/^[\w-]+: /, ""));
    ranks["signals and services alone"]?.push(await rank({ text, services }, relevant));
    ranks["all signs in one text"]?.push(await rank({ text: [text, ...all].join("; "), services }, relevant));
    ranks["each sign by itself"]?.push(await rank({ text, signs: all, services }, relevant));
  }
  for (const [name, list] of Object.entries(ranks)) table[`${name}, ${noise} routine lines`] = scores(list);
}
console.log(`${cases.length} incidents by signals, error templates and metrics`);
console.table(table);

const SEEDS = [1, 2, 3];
const FAMILIES: Readonly<Record<DemoFamily, readonly string[]>> = {
  flag: ["INC-31"],
  "bad-deploy": ["INC-20"],
  cascade: ["INC-25"],
  "rollback-no-help": ["INC-39"],
};
/** Lines that happen to begin with the trouble and have nothing to do with it. */
const COINCIDENT = [
  "deprecated header x-client-version received from partner",
  "slow third party script loaded from analytics",
  "certificate of partner renews in 12 days",
  "background saving terminated with success",
  "health check took longer than usual",
  "connection closed by client before response",
];

function withNoise(recording: DemoRecording): DemoRecording {
  const services = [...new Set(recording.logs.map(({ service }) => service))];
  const lines = services.flatMap((service, which) =>
    COINCIDENT.slice(0, 3).flatMap((_, kind) =>
      Array.from(
        { length: 20 },
        (_, index): LogRecord => ({
          at: recording.now - (index + 1) * MINUTE,
          service,
          severity: "WARN",
          body: COINCIDENT[(which + kind * 2) % COINCIDENT.length] ?? "",
          attributes: {},
          traceId: null,
        }),
      ),
    ),
  );
  return { ...recording, logs: [...recording.logs, ...lines] };
}

/** Runs the offline reasoner and returns the rank for its last question without and with the signs, and what the report says. */
async function investigated(recording: DemoRecording, relevant: readonly string[]) {
  const store = await openTelemetryStore(":memory:");
  store.appendMetrics(recording.metrics);
  store.appendLogs(recording.logs);
  store.appendSpans(recording.spans);
  store.appendChanges(recording.changes);
  const asked: SearchQuery[] = [];
  const anomalies = await watchRecording(store, await store.services(), recording.now - 20 * HOUR, recording.now);
  const agent = createSreAgent(
    {
      metrics: store,
      logs: store,
      traces: store,
      changes: store,
      knowledge: {
        document: (id) => knowledge.document(id),
        search: (query) => {
          if (query.kinds?.includes("incident")) asked.push(query);
          return knowledge.search(query);
        },
      },
      catalog: async () => [],
      scanner: recordedScanner(anomalies),
      desk: recordedDesk(recording.changes),
      causal: { candidates: async () => [], run: async () => ({ ok: false, refusal: "a recording" }) },
      clock: { now: () => recording.now, speed: 1 },
      learned: { calibrate: (raw) => raw, exemplars: async () => [] },
    },
    { prompts: join(root, "prompts") },
  );
  const report = await agent.investigate(
    { investigationId: "INV-1", anomalies, question: null, requester: "bench" },
    { onStep: () => {} },
    new AbortController().signal,
  );
  store.close();
  const last = asked.at(-1) ?? { text: "", top: 1 };
  if (process.env.VIGIL_BENCH_QUERIES) console.log(last.text, last.signs, report.seenBefore.text.slice(0, 80));
  return {
    before: await rank({ ...last, signs: [], top: 100 }, relevant),
    after: await rank({ ...last, top: 100 }, relevant),
    quoted: relevant.some((id) => report.seenBefore.text.includes(id)),
    anomalies: anomalies.length,
  };
}

const stories: Record<string, object> = {};
for (const [family, relevant] of Object.entries(FAMILIES) as [DemoFamily, readonly string[]][]) {
  for (const noisy of [false, true]) {
    const runs = [];
    for (const seed of SEEDS) {
      const recording = demoRecording(family, seed);
      runs.push(await investigated(noisy ? withNoise(recording) : recording, relevant));
    }
    stories[`${family}${noisy ? ", with unrelated new warnings" : ""}`] = {
      "rank before": runs.map(({ before }) => before).join(" "),
      "rank with signs": runs.map(({ after }) => after).join(" "),
      "report quotes it": runs.map(({ quoted }) => (quoted ? "yes" : "no")).join(" "),
      anomalies: runs.map(({ anomalies }) => anomalies).join(" "),
    };
  }
}
console.log("\nThe agent on the demo's stories, three seeds each");
console.table(stories);
await knowledge.close();
await state.destroy();
