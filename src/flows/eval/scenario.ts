import { parseDocument } from "yaml";
import { z } from "zod";
import { DAY, HOUR, MINUTE, type Milliseconds } from "../../domain/time.ts";

/** A scenario that cannot be used; names file, key and remedy. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
}

const UNITS: Readonly<Record<string, Milliseconds>> = { m: MINUTE, h: HOUR, d: DAY };

/** `-41m`, `-6h`, `-2d` or `now`: an offset from the moment at which the agent is asked. */
const offset = z
  .string()
  .regex(/^(?:now|-\d+(?:\.\d+)?[mhd])$/, "write -41m, -6h, -2d or now")
  .transform((text) => (text === "now" ? 0 : -Number(text.slice(1, -1)) * (UNITS[text.slice(-1)] as number)));

const SIGNALS = ["metrics", "traces", "logs"] as const;
const name = z.string().min(1).max(100);
const share = z.number().min(0).max(1);

const service = z.strictObject({
  own: z.number().positive().default(10).describe("mean milliseconds that it works itself, without its callees"),
  spread: z.number().positive().max(2).default(0.4).describe("standard deviation of the logarithm of its own time"),
  rate: z.number().min(0).default(0).describe("requests per second that come from outside"),
  calls: z.record(name, z.number().positive()).default({}).describe("callee: calls per request"),
  errors: share.default(0.001).describe("share of requests that fail by itself"),
  version: z.string().default("1.0.0"),
  gauges: z
    .record(name, z.strictObject({ level: z.number(), unit: z.string().default("1"), load: share.default(0) }))
    .default({})
    .describe("resource metrics; `load` is how far one follows the request rate, 0 not at all, 1 in proportion"),
  owner: name.optional(),
  tier: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]).optional(),
  reports: z
    .array(z.enum(SIGNALS))
    .default([...SIGNALS])
    .describe("what it sends at all"),
});

const effect = z.strictObject({
  service: name,
  from: offset,
  to: offset.default(0),
  ramp: z
    .string()
    .regex(/^\d+m$/)
    .transform((text) => Number(text.slice(0, -1)) * MINUTE)
    .optional()
    .describe("time to full size, for instance 20m"),
  on: name.optional().describe("subject of a change: only requests at the flag's new variant or on the new version feel it"),
  latency: z.number().positive().optional().describe("factor of its own time"),
  errors: share.optional().describe("share of requests that fail besides the usual ones"),
  rate: z.number().min(0).optional().describe("factor of the requests from outside"),
  calls: z.record(name, z.number().min(0)).optional().describe("callee: factor of the calls per request"),
  gauges: z.record(name, z.number().min(0)).optional().describe("gauge: factor of its level"),
  silent: z.array(z.enum(SIGNALS)).optional().describe("what it stops sending"),
});

const change = z.strictObject({
  kind: z.enum(["flag", "deploy", "config", "scale", "other"]),
  subject: name,
  services: z.array(name).optional(),
  at: offset,
  before: z.string(),
  after: z.string(),
  share: share.default(1).describe("share of requests on the new version of a deploy"),
  actor: name.default("ci"),
  summary: z.string().default(""),
});

const logLine = z.strictObject({
  service: name,
  severity: z.enum(["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]),
  text: z.string().min(1).describe("{n} becomes a number that varies"),
  from: offset.optional(),
  to: offset.default(0),
  perMinute: z.number().positive().max(100).default(2),
});

const document = z.strictObject({
  id: name,
  kind: z.enum(["incident", "runbook", "architecture", "post-mortem", "note"]).default("incident"),
  title: z.string(),
  services: z.array(name).default([]),
  text: z.string(),
  metadata: z.record(z.string(), z.string()).default({}),
});

/** How synthetic telemetry comes about; the same seed gives the same telemetry. */
const world = z.strictObject({
  seed: z.number().int(),
  history: z
    .string()
    .regex(/^\d+[hd]$/)
    .default("27h")
    .transform((text) => Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] as number)),
  day: share.default(0).describe("how far traffic swings around its mean within a day"),
  services: z.record(name, service),
  effects: z.array(effect).default([]),
  logs: z.array(logLine).default([]),
});

const KINDS = ["flag", "deploy", "dependency", "resource", "traffic", "config", "none", "unknown"] as const;

const expectation = z.strictObject({
  outcome: z.enum(["cause_found", "unknown", "nothing_wrong"]),
  causes: z.array(z.enum(KINDS)).default([]).describe("kinds of cause that count as right; empty: any"),
  services: z.array(name).default([]).describe("services that count as right; empty: any"),
  change: name.optional().describe("subject of the change that is to blame"),
  unknownTolerated: z.boolean().default(false).describe("true where a careful person could not tell either"),
  evidence: z
    .array(z.strictObject({ tool: name, about: z.string().optional() }))
    .default([])
    .describe("what must be among the evidence: a tool, and a text that its title, arguments or summary holds"),
  forbiddenClaims: z
    .array(z.string())
    .default([])
    .describe("regular expressions that headline and leading hypothesis must not match"),
  actions: z
    .strictObject({
      allowed: z
        .array(z.string())
        .default([])
        .describe("`action target` pairs that may be proposed, for instance `toggle_feature_flag new-cart`"),
      wanted: z.boolean().default(false).describe("true when one of them must be proposed"),
    })
    .prefault({})
    .describe("whatever is not allowed is forbidden"),
});

const schema = z.strictObject({
  title: z.string().min(5),
  now: z.iso.datetime().default("2026-03-03T14:20:00Z"),
  question: z.string().optional().describe("what an engineer asks"),
  alert: z
    .strictObject({
      service: name,
      signal: z.enum(["latency", "errors", "rate", "latency_p95"]),
      change: z.number(),
      from: offset,
    })
    .optional()
    .describe("what another tool's alert says; with neither question nor alert, Vigil's own detectors raise it"),
  world: world.optional().describe("a description to generate telemetry from"),
  recording: z.string().optional().describe("folder with case.json, during.csv.gz and the like, relative to the scenario"),
  changes: z.array(change).default([]),
  documents: z.array(document).default([]),
  testable: z.array(name).default([]).describe("flags that a causal test can be run on"),
  expect: expectation,
});

export type Scenario = z.output<typeof schema> & { readonly id: string };
export type World = z.output<typeof world>;
export type WorldService = z.output<typeof service>;
export type Effect = z.output<typeof effect>;
export type ScenarioChange = z.output<typeof change>;
export type Expectation = z.output<typeof expectation>;

/** Reads `scenario.yaml`. @throws ScenarioError naming each wrong key. */
export function parseScenario(id: string, file: string, text: string): Scenario {
  const parsed = parseDocument(text, { prettyErrors: true });
  const [error] = parsed.errors;
  if (error) throw new ScenarioError(`${file} is not valid YAML: ${error.message}`);
  const checked = schema.safeParse(parsed.toJS());
  if (!checked.success)
    throw new ScenarioError(
      `${file}: ${checked.error.issues.map(({ path, message }) => `${path.join(".") || "top level"}: ${message}`).join("; ")}`,
    );
  const scenario = { ...checked.data, id };
  if ((scenario.world === undefined) === (scenario.recording === undefined))
    throw new ScenarioError(`${file}: give either a world to generate or the folder of a recording.`);
  if (scenario.world) checkNames(scenario.world, scenario.changes, file);
  return scenario;
}

/** A misspelt name would quietly make another scenario. */
function checkNames(given: World, changes: readonly ScenarioChange[], file: string): void {
  const known = new Set(Object.keys(given.services));
  const named = [
    ...Object.entries(given.services).flatMap(([caller, { calls }]) =>
      Object.keys(calls).map((callee) => [`services.${caller}.calls`, callee]),
    ),
    ...given.effects.flatMap(({ service: one, calls }, index) =>
      [one, ...Object.keys(calls ?? {})].map((each) => [`effects.${index}`, each]),
    ),
    ...given.logs.map(({ service: one }, index) => [`logs.${index}`, one]),
  ];
  for (const [key, one = ""] of named)
    if (!known.has(one)) throw new ScenarioError(`${file}: ${key} names ${one}, which is no service of this world.`);
  const subjects = new Set(changes.map(({ subject }) => subject));
  for (const { on } of given.effects)
    if (on && !subjects.has(on)) throw new ScenarioError(`${file}: an effect is on ${on}, which no change is about.`);
}
