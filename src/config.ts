import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { IANAZone } from "luxon";
import { parseDocument } from "yaml";
import { z } from "zod";
import { slackSchema, teamsSchema } from "./config/chat.ts";
import { demoSchema } from "./config/demo.ts";
import { escalationSchema, onCallSchema } from "./config/duty.ts";
import { environment } from "./config/environment.ts";
import { auditSchema, retentionSchema, stateSchema } from "./config/keeping.ts";
import { knowledgeSchema } from "./config/knowledge.ts";
import { mcpSchema } from "./config/mcp.ts";
import { modelSchema } from "./config/model.ts";
import { logsSchema, metricsSchema, tracesSchema } from "./config/sources.ts";
import { changesSchema, deploysSchema, flagsSchema, kubernetesSchema } from "./config/targets.ts";
import { flag, port, positive, sharedSecret, webAddress } from "./config/values.ts";
import { webhooksSchema } from "./config/webhooks.ts";
import { wordsOf } from "./config/wrong-value.ts";

/** Configuration that cannot be used. The message names each key, its value and the remedy. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Every setting with its default. Units are in the names. */
export const schema = z.strictObject({
  dataDir: z.string().min(1).default(".vigil").describe("folder of all state, created for its owner only"),
  state: stateSchema,
  logLevel: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  server: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .default("127.0.0.1")
        .describe("address to listen on; other than loopback shows the page to the network"),
      port: port.default(3978),
    })
    .prefault({}),
  demo: demoSchema,
  telemetry: z
    .strictObject({
      retentionDays: positive.default(30),
      maxBodyMegabytes: positive.max(256).default(16),
    })
    .prefault({}),
  metrics: metricsSchema,
  logs: logsSchema,
  traces: tracesSchema,
  detection: z
    .strictObject({
      falseAlarmsPerWeek: positive
        .max(1_000)
        .default(0.5)
        .describe("false alarms that the team accepts, over all watched series"),
      stepSeconds: z.coerce.number().int().min(10).max(3_600).default(60),
      holidays: z
        .array(z.iso.date())
        .default([])
        .describe("dates (UTC) that do not follow the week, for instance 2026-12-25: expectations shrink towards the mean"),
    })
    .prefault({}),
  model: modelSchema,
  knowledge: knowledgeSchema,
  flags: flagsSchema,
  deploys: deploysSchema,
  kubernetes: kubernetesSchema,
  changes: changesSchema,
  actions: z
    .strictObject({
      policyFile: z.string().min(1).optional(),
      approvalSeconds: positive.max(86_400).default(300),
      verificationMinutes: positive.max(1_440).default(15),
      causalTestMinutes: positive.max(1_440).default(15),
    })
    .prefault({}),
  slack: slackSchema,
  teams: teamsSchema,
  webhooks: webhooksSchema,
  onCall: onCallSchema,
  escalation: escalationSchema,
  learning: z
    .strictObject({
      enabled: flag.default(true).describe("off: what people say is kept, and nothing learned from it has any effect"),
    })
    .prefault({}),
  observability: z
    .strictObject({
      tracesUrl: webAddress.optional().describe("where Vigil's own traces go, by OTLP/HTTP: http://collector:4318/v1/traces"),
      tracesHeaders: z.record(z.string(), z.string()).default({}),
      metricsToken: sharedSecret.optional().describe("asked of who reads /metrics; without, anybody who reaches the page may"),
    })
    .prefault({}),
  mcp: mcpSchema,
  digest: z
    .strictObject({
      enabled: flag.default(true).describe("tell the channel once a week what the week brought"),
      weekday: z.coerce.number().int().min(1).max(7).default(1).describe("1 is Monday"),
      hour: z.coerce.number().int().min(0).max(23).default(9),
      zone: z
        .string()
        .default("UTC")
        .refine((zone) => IANAZone.isValidZone(zone), "must be an IANA time zone, for instance Europe/Berlin"),
    })
    .prefault({}),
  audit: auditSchema,
  retention: retentionSchema,
  worth: z
    .strictObject({
      minutesSavedPerAcceptedInvestigation: positive.default(30),
      dollarsPerEngineerHour: positive.default(120),
    })
    .prefault({}),
});

export type Config = z.output<typeof schema>;

/** What Kubernetes sets as VIGIL_PORT in every pod beside a Service named vigil: an address of that service, no wish of the operator. */
const serviceLink = /^tcp:\/\/[\d.:[\]a-f]+$/;

const secret = /(token|secret|key|password|(state|vectors)\.url)$|headers\./i;

/**
 * Reads `vigil.yaml` (or the file that `VIGIL_CONFIG` names), then the environment over it, and checks the whole.
 * Without a file the demo is on, so that a newcomer sees Vigil work; with one it is off unless asked for.
 *
 * @throws ConfigError naming every key that is wrong, its value (secrets hidden) and what is expected.
 */
export function loadConfig(env: Readonly<NodeJS.ProcessEnv> = process.env, folder: string = process.cwd()): Config {
  const named = env.VIGIL_CONFIG;
  const file = resolve(folder, named ?? "vigil.yaml");
  const present = existsSync(file);
  if (named && !present)
    throw new ConfigError(`VIGIL_CONFIG names ${file}, which does not exist. Create it or unset VIGIL_CONFIG.`);

  const raw: Record<string, unknown> = present ? readYaml(file) : { demo: { enabled: true } };
  resolveSecrets(raw, env, folder);
  for (const [variable, path] of Object.entries(environment)) {
    const value = env[variable] || fromFile(`${variable}_FILE`, env, folder);
    if (value && !serviceLink.test(value)) assign(raw, path, value);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const key = issue.path.join(".");
    const variable = Object.entries(environment).find(([, path]) => path === key)?.[0];
    const value = issue.path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], raw);
    // A whole section may hold secrets; the message names what is wrong in it.
    const isSection = typeof value === "object" && value !== null;
    const shown = value === undefined || isSection ? "" : secret.test(key) ? " (value hidden)" : ` (is ${JSON.stringify(value)})`;
    return `  ${key || "(top level)"}${variable ? ` or ${variable}` : ""}${shown}: ${wordsOf(issue, schema)}`;
  });
  throw new ConfigError(
    `The configuration ${present ? `in ${file} ` : ""}cannot be used; correct these keys:\n${lines.join("\n")}`,
  );
}

/** What the file named by an environment variable holds, without the line break at its end: how orchestrators hand out secrets. */
function fromFile(variable: string, env: Readonly<NodeJS.ProcessEnv>, folder: string): string | null {
  const named = env[variable];
  return named ? readSecret(resolve(folder, named), variable) : null;
}

function readSecret(file: string, key: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new ConfigError(
      `${key} names ${file}, which cannot be read: ${(error as Error).message}. Correct the path or its rights.`,
    );
  }
  if (text === "") throw new ConfigError(`${key} names ${file}, which is empty. Write the secret into it.`);
  return text;
}

/** Secrets in the file may be kept out of it: `token: { env: NAME }` or `token: { file: /run/secrets/name }`. */
function resolveSecrets(at: unknown, env: Readonly<NodeJS.ProcessEnv>, folder: string, path = ""): void {
  if (typeof at !== "object" || at === null) return;
  const holder = at as Record<string, unknown>;
  for (const [key, value] of Object.entries(holder)) {
    const full = path ? `${path}.${key}` : key;
    const [[kind, name] = []] = typeof value === "object" && value !== null ? Object.entries(value) : [];
    const refers = secret.test(full) && typeof name === "string" && Object.keys(value as object).length === 1;
    if (refers && kind === "file") holder[key] = readSecret(resolve(folder, name), full);
    else if (refers && kind === "env") {
      if (!env[name]) throw new ConfigError(`${full} takes its value from ${name}, which is not set in the environment. Set it.`);
      holder[key] = env[name];
    } else resolveSecrets(value, env, folder, full);
  }
}

function readYaml(file: string): Record<string, unknown> {
  const document = parseDocument(readFileSync(file, "utf8"), { prettyErrors: true });
  const [error] = document.errors;
  if (error) throw new ConfigError(`${file} is not valid YAML: ${error.message}`);
  const value: unknown = document.toJS() ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${file} must hold keys and values at its top level, for instance "server:\\n  port: 3978".`);
  }
  return withoutEmpty(value) as Record<string, unknown>;
}

/** A key without a value is as good as commented out, as in the example: `slack:` above lines that all are comments. */
function withoutEmpty(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value).filter(([, below]) => below !== null);
  return Object.fromEntries(kept.map(([key, below]) => [key, withoutEmpty(below)]));
}

function assign(target: Record<string, unknown>, path: string, value: string): void {
  const keys = path.split(".");
  const last = keys.pop() as string;
  let at = target;
  for (const key of keys) {
    if (typeof at[key] !== "object" || at[key] === null) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  at[last] = value;
}
