import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";

/** Configuration that cannot be used. The message names each key, its value and the remedy. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const port = z.coerce.number().int().min(0).max(65_535);
const flag = z
  .union([z.boolean(), z.enum(["true", "false", "on", "off", "1", "0", "yes", "no"])])
  .transform((value) => (typeof value === "boolean" ? value : ["true", "on", "1", "yes"].includes(value)));
const positive = z.coerce.number().positive();

/** Every setting with its default. Units are in the names. */
const schema = z.strictObject({
  dataDir: z.string().min(1).default(".vigil").describe("folder of all state, created for its owner only"),
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
  demo: z
    .strictObject({
      enabled: flag.default(false),
      speed: positive.max(600).default(60).describe("demo minutes in one wall-clock minute"),
      historyDays: positive.max(60).default(14),
      scenario: z
        .enum(["flag", "bad-deploy", "cascade", "quiet", "rollback-no-help", "none"])
        .default("flag")
        .describe("what happens by itself on the first start"),
      seed: z.coerce.number().int().default(247),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      retentionDays: positive.default(30),
      maxBodyMegabytes: positive.max(256).default(16),
    })
    .prefault({}),
  detection: z
    .strictObject({
      falseAlarmsPerWeek: positive
        .max(1_000)
        .default(0.5)
        .describe("false alarms that the team accepts, over all watched series"),
      stepSeconds: z.coerce.number().int().min(10).max(3_600).default(60),
    })
    .prefault({}),
  model: z
    .strictObject({
      apiKey: z.string().min(1).optional(),
      baseUrl: z.url({ protocol: /^https?$/ }).optional(),
      name: z.string().min(1).optional(),
      timeoutSeconds: positive.default(60),
      maxDollarsPerInvestigation: positive.default(0.5),
    })
    .prefault({}),
  knowledge: z
    .strictObject({
      folders: z.array(z.string().min(1)).default(["data"]),
      catalog: z.string().min(1).default("data/catalog-info.yaml"),
    })
    .prefault({}),
  flags: z.strictObject({ file: z.string().min(1).optional().describe("flagd-format JSON file") }).prefault({}),
  deploys: z.strictObject({ repository: z.string().min(1).optional().describe("local git repository of versions") }).prefault({}),
  actions: z
    .strictObject({
      policyFile: z.string().min(1).optional(),
      approvalSeconds: positive.max(86_400).default(300),
      verificationMinutes: positive.max(1_440).default(15),
      causalTestMinutes: positive.max(1_440).default(15),
    })
    .prefault({}),
  slack: z
    .strictObject({
      botToken: z.string().startsWith("xoxb-").optional(),
      appToken: z.string().startsWith("xapp-").optional(),
      signingSecret: z.string().min(8).optional(),
      channel: z.string().min(1).optional().describe("channel id for proactive posts, for instance C0123456789"),
      apiUrl: z.url().optional(),
      approvers: z.array(z.string().min(1)).default([]).describe("user ids that may approve; empty means nobody"),
    })
    .prefault({}),
  worth: z
    .strictObject({
      minutesSavedPerAcceptedInvestigation: positive.default(30),
      dollarsPerEngineerHour: positive.default(120),
    })
    .prefault({}),
});

export type Config = z.output<typeof schema>;

/** Environment variables and the keys they set; they win over the file. */
const environment: Readonly<Record<string, string>> = {
  VIGIL_DATA_DIR: "dataDir",
  VIGIL_LOG_LEVEL: "logLevel",
  VIGIL_HOST: "server.host",
  VIGIL_PORT: "server.port",
  VIGIL_DEMO: "demo.enabled",
  VIGIL_DEMO_SPEED: "demo.speed",
  VIGIL_DEMO_HISTORY_DAYS: "demo.historyDays",
  VIGIL_DEMO_SCENARIO: "demo.scenario",
  VIGIL_DEMO_SEED: "demo.seed",
  VIGIL_APPROVAL_SECONDS: "actions.approvalSeconds",
  VIGIL_MODEL: "model.name",
  OPENAI_API_KEY: "model.apiKey",
  OPENAI_BASE_URL: "model.baseUrl",
  SLACK_BOT_TOKEN: "slack.botToken",
  SLACK_APP_TOKEN: "slack.appToken",
  SLACK_SIGNING_SECRET: "slack.signingSecret",
  SLACK_CHANNEL: "slack.channel",
  SLACK_API_URL: "slack.apiUrl",
};

const secret = /(token|secret|key)$/i;

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
  for (const [variable, path] of Object.entries(environment)) {
    const value = env[variable];
    if (value !== undefined && value !== "") assign(raw, path, value);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const key = issue.path.join(".");
    const variable = Object.entries(environment).find(([, path]) => path === key)?.[0];
    const value = issue.path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], raw);
    const shown = value === undefined ? "" : secret.test(key) ? " (value hidden)" : ` (is ${JSON.stringify(value)})`;
    return `  ${key || "(top level)"}${variable ? ` or ${variable}` : ""}${shown}: ${issue.message}`;
  });
  throw new ConfigError(
    `The configuration ${present ? `in ${file} ` : ""}cannot be used; correct these keys:\n${lines.join("\n")}`,
  );
}

function readYaml(file: string): Record<string, unknown> {
  const document = parseDocument(readFileSync(file, "utf8"), { prettyErrors: true });
  const [error] = document.errors;
  if (error) throw new ConfigError(`${file} is not valid YAML: ${error.message}`);
  const value: unknown = document.toJS() ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${file} must hold keys and values at its top level, for instance "server:\\n  port: 3978".`);
  }
  return value as Record<string, unknown>;
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
