import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { IANAZone } from "luxon";
import { parseDocument } from "yaml";
import { z } from "zod";
import { knowledgeSourcesSchema, vectorsSchema } from "./config/knowledge.ts";
import { logsSchema, metricsSchema, tracesSchema } from "./config/sources.ts";
import { changesSchema, deploysSchema, flagsSchema, kubernetesSchema } from "./config/targets.ts";

/** Configuration that cannot be used. The message names each key, its value and the remedy. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const port = z.coerce.number().int().min(0).max(65_535);
const flag = z
  .union([z.boolean(), z.enum(["true", "false", "on", "off", "1", "0", "yes", "no"])])
  .transform((value) => (typeof value === "boolean" ? value : ["true", "on", "1", "yes"].includes(value)));
const positive = z.coerce.number().positive();

/** Without colons and skin tone. */
const emojiName = z
  .string()
  .transform((name) => name.replace(/^:|:$/g, ""))
  .pipe(z.string().regex(/^[a-z0-9_+'-]{1,100}$/, "must be an emoji's name, for instance white_check_mark"));
const azure = z.strictObject({ instance: z.string().min(1), deployment: z.string().min(1), apiVersion: z.string().min(1) });
const price = z.strictObject({ input: z.coerce.number().min(0), output: z.coerce.number().min(0) });
/** A server of the Model Context Protocol: an address, or a command to start. */
const mcpServer = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).optional(),
    headers: z.record(z.string(), z.string()).default({}),
    command: z.string().min(1).optional(),
    args: z.array(z.string()).default([]),
    env: z
      .record(z.string(), z.string())
      .default({})
      .describe("all of the environment that the command gets, besides PATH and HOME"),
    allow: z.array(z.string().min(1)).min(1).describe("names of the tools that only read; no other is ever offered"),
    timeoutSeconds: z.coerce.number().positive().default(15),
  })
  .refine(({ url, command }) => (url === undefined) !== (command === undefined), "give either a url or a command");
const webAddress = z.url({ protocol: /^https?$/ });
const sharedSecret = z.string().min(8, "must have at least 8 characters");
const bearer = z.strictObject({ token: sharedSecret.optional() }).prefault({});
/** HMAC-SHA256 of the body in a header, or a bearer token. */
const signedOrBearer = z.strictObject({
  token: sharedSecret.optional(),
  secret: sharedSecret.optional(),
  signatureHeader: z.string().min(1).default("X-Signature-256"),
  signaturePrefix: z.string().default("sha256="),
  signatureEncoding: z.enum(["hex", "base64"]).default("hex"),
  timestampHeader: z
    .string()
    .min(1)
    .optional()
    .describe("header with Unix seconds that are signed before the body, with a colon between"),
});

/** Every setting with its default. Units are in the names. */
export const schema = z.strictObject({
  dataDir: z.string().min(1).default(".vigil").describe("folder of all state, created for its owner only"),
  state: z
    .strictObject({
      url: z
        .string()
        .regex(/^postgres(ql)?:\/\/./, "must be like postgres://user:password@host:5432/vigil")
        .optional()
        .describe("PostgreSQL for what must never be lost; without it a SQLite file in dataDir"),
      approvalKey: z
        .string()
        .regex(/^[0-9a-f]{64,}$/i, "must be 64 or more hexadecimal digits: openssl rand -hex 32")
        .optional()
        .describe("the secret behind the approval buttons; replicas on one PostgreSQL must share it"),
      leaseSeconds: z.coerce
        .number()
        .min(2)
        .max(300)
        .default(15)
        .describe("of replicas on one PostgreSQL, how long one that leads may be silent before another takes over"),
    })
    .prefault({}),
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
      daysBack: z.coerce.number().int().min(0).max(30).default(0).describe("days that the demo's clock starts in the past"),
      metricsPort: port.optional().describe("where the shop exposes /metrics to be scraped, on loopback"),
      unleashClientToken: z
        .string()
        .min(1)
        .optional()
        .describe("the shop reads its flags from the Unleash that flags names, with this token"),
    })
    .prefault({}),
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
  model: z
    .strictObject({
      apiKey: z.string().min(1).optional(),
      baseUrl: z.url({ protocol: /^https?$/ }).optional(),
      name: z.string().min(1).optional(),
      azure: azure.optional(),
      streaming: flag.default(false).describe("ask for answers piece by piece, for servers that cannot do otherwise"),
      timeoutSeconds: positive.default(60),
      fallbacks: z
        .array(
          z.strictObject({
            name: z.string().min(1),
            apiKey: z.string().min(1).optional(),
            baseUrl: z.url({ protocol: /^https?$/ }).optional(),
            azure: azure.optional(),
            streaming: flag.default(false),
            timeoutSeconds: positive.default(60),
          }),
        )
        .default([])
        .describe(
          "tried in this order when the model fails, before the offline reasoner; at the same endpoint unless they name one",
        ),
      retries: z.coerce.number().int().min(0).max(10).default(2),
      maxDollarsPerInvestigation: positive.default(0.5),
      maxTokensPerInvestigation: positive.default(150_000),
      maxSecondsPerInvestigation: positive.default(180),
      maxModelCallsPerInvestigation: z.coerce.number().int().min(1).default(20),
      maxToolCallsPerInvestigation: z.coerce.number().int().min(1).default(40),
      maxDollarsPerDay: positive.default(20),
      maxDollarsPerDayAndChannel: positive.default(10),
      prices: z
        .strictObject({
          asOf: z.iso.date().describe("day on which these prices were looked up"),
          models: z.record(z.string(), price),
          fallback: price.optional().describe("for models that are not listed"),
        })
        .optional()
        .describe("US dollars per million tokens; without, list prices of the day that `vigil doctor` names"),
    })
    .prefault({}),
  knowledge: z
    .strictObject({
      folders: z.array(z.string().min(1)).default(["data"]),
      catalog: z.string().min(1).default("data/catalog-info.yaml"),
      embeddings: z
        .strictObject({
          model: z.string().min(1).describe("for instance text-embedding-3-large"),
          baseUrl: z
            .url({ protocol: /^https?$/ })
            .optional()
            .describe("default: model.baseUrl"),
          apiKey: z.string().min(1).optional().describe("default: model.apiKey"),
          dimensions: z.coerce.number().int().min(16).max(8_192).optional(),
          timeoutSeconds: positive.default(10),
        })
        .optional()
        .describe("any OpenAI-compatible endpoint, to which document texts are sent; without, the model that ships with Vigil"),
      vectors: vectorsSchema,
      sources: knowledgeSourcesSchema,
      refreshMinutes: positive.max(10_080).default(60).describe("between looks at folders and sources"),
    })
    .prefault({}),
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
  slack: z
    .strictObject({
      botToken: z.string().startsWith("xoxb-").optional(),
      appToken: z.string().startsWith("xapp-").optional(),
      signingSecret: z.string().min(8).optional(),
      channel: z.string().min(1).optional().describe("channel id for proactive posts, for instance C0123456789"),
      apiUrl: z.url().optional(),
      httpPort: port.default(3979).describe("where Slack's requests arrive when there is a signing secret and no app token"),
      allowedWorkspaces: z.array(z.string().min(1)).default([]).describe("team ids that may speak to Vigil besides its own"),
      approvers: z.array(z.string().min(1)).default([]).describe("user ids that may approve"),
      approverGroups: z.array(z.string().min(1)).default([]).describe("user group ids whose members may approve"),
      onCallApproves: flag.default(false).describe("whoever is on call for the service may approve; needs onCall"),
      emoji: z
        .strictObject({
          approve: emojiName.default("white_check_mark"),
          deny: emojiName.default("no_entry"),
          verdicts: z.record(emojiName, z.enum(["correct", "partly", "incorrect", "noise"])).optional(),
        })
        .prefault({})
        .describe("emoji names that decide and that vote; none may do both"),
    })
    .prefault({}),
  teams: z
    .strictObject({
      appId: z.uuid().optional().describe("application id of the bot in Entra"),
      appSecret: z.string().min(8).optional().describe("client secret of that application; none with a managed identity"),
      appType: z.enum(["SingleTenant", "UserAssignedMSI"]).default("SingleTenant"),
      tenantId: z.uuid().optional().describe("directory that the application is registered in"),
      channel: z
        .string()
        .min(1)
        .optional()
        .describe("id of the channel or group chat for proactive posts, for instance 19:…@thread.tacv2"),
      approvers: z.array(z.string().min(1)).default([]).describe("Entra object ids of those who may approve"),
      allowedTenants: z.array(z.string().min(1)).default([]).describe("tenants whose people may speak to Vigil besides its own"),
      host: z.string().min(1).default("127.0.0.1").describe("address of the endpoint; a proxy or tunnel brings Teams to it"),
      port: port.default(3980),
      serviceUrl: webAddress.default("https://smba.trafficmanager.net/teams/"),
      serviceHosts: z.array(z.string().min(1)).optional().describe("hosts that activities may come from; default: Microsoft's"),
      reactions: z.record(z.string().min(1), z.enum(["correct", "partly", "incorrect", "noise"])).optional(),
    })
    .prefault({}),
  webhooks: z
    .strictObject({
      maxBodyMegabytes: positive.max(64).default(1),
      serviceLabels: z
        .array(z.string().min(1))
        .optional()
        .describe("labels of an alert that may name its service, most telling first"),
      services: z
        .record(z.string(), z.array(z.string().min(1)))
        .default({})
        .describe("services that a repository, project, application or flag belongs to; its last part is tried without"),
      alertmanager: bearer,
      grafana: z
        .strictObject({
          token: sharedSecret.optional(),
          secret: sharedSecret.optional(),
          timestampHeader: z.string().min(1).optional(),
        })
        .prefault({}),
      pagerduty: z.strictObject({ token: sharedSecret.optional(), secret: sharedSecret.optional() }).prefault({}),
      generic: signedOrBearer.prefault({}),
      changes: signedOrBearer.prefault({}),
      github: z.strictObject({ secret: sharedSecret.optional() }).prefault({}),
      gitlab: bearer,
      argocd: bearer,
      unleash: bearer,
    })
    .prefault({}),
  onCall: z
    .strictObject({
      file: z.string().min(1).optional().describe("rota in YAML"),
      pagerDuty: z
        .strictObject({
          token: z.string().min(1).optional().describe("REST API key; a read-only one is enough"),
          apiUrl: webAddress.default("https://api.pagerduty.com"),
          schedules: z
            .record(z.string(), z.array(z.string().min(1)))
            .default({})
            .describe("schedule ids by service; * for the rest"),
        })
        .prefault({}),
    })
    .prefault({}),
  escalation: z
    .strictObject({
      afterMinutes: positive.max(1_440).default(15).describe("how long a critical alert may fire unattended"),
      mostAnHour: z.coerce.number().int().min(1).max(100).default(6),
      mention: flag.default(false).describe("call those on duty in the incident channel"),
      whenUnsure: flag
        .default(true)
        .describe("call them when an investigation ends below the confidence threshold while the trouble goes on"),
      pageUrl: webAddress
        .optional()
        .describe("address of this page as responders reach it, for the links in a page and to evidence"),
      pagerDuty: z
        .strictObject({
          routingKey: z.string().min(1).optional().describe("integration key of an Events API v2 integration"),
          eventsUrl: webAddress.default("https://events.pagerduty.com"),
        })
        .prefault({}),
      opsgenie: z
        .strictObject({
          apiKey: z.string().min(1).optional().describe("key of an API integration"),
          apiUrl: webAddress.default("https://api.opsgenie.com"),
          teams: z.array(z.string().min(1)).default([]).describe("called instead of the integration's own team"),
        })
        .prefault({}),
    })
    .prefault({}),
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
  mcp: z
    .strictObject({
      token: sharedSecret
        .optional()
        .describe("serves Vigil's read tools at /mcp for who sends it as a bearer; without, not at all"),
      servers: z
        .record(z.string().regex(/^[a-z][a-z0-9_-]{0,30}$/, "name a server with small letters, digits, - or _"), mcpServer)
        .default({})
        .describe("servers whose read-only tools Vigil may call"),
    })
    .prefault({}),
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
  audit: z
    .strictObject({
      anchorFile: z
        .string()
        .min(1)
        .optional()
        .describe(
          "where heads of the audit trail are noted; best on another disk. Default: audit-anchor.jsonl in the folder of all state",
        ),
      anchorUrl: webAddress.optional().describe("a server that keeps them, too: each is sent as JSON"),
      anchorToken: z.string().min(1).optional().describe("sent to it as a bearer token"),
      anchorMinutes: positive.max(1_440).default(5),
    })
    .prefault({}),
  retention: z
    .strictObject({
      incidentDays: positive
        .max(3_650)
        .default(730)
        .describe("resolved incidents with their investigations, votes, threads and pictures are deleted after this"),
      conversationDays: positive
        .max(3_650)
        .default(365)
        .describe("what was said in threads and on the page is deleted after this"),
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
export const environment: Readonly<Record<string, string>> = {
  VIGIL_DATA_DIR: "dataDir",
  VIGIL_STATE_URL: "state.url",
  VIGIL_APPROVAL_KEY: "state.approvalKey",
  VIGIL_LOG_LEVEL: "logLevel",
  VIGIL_HOST: "server.host",
  VIGIL_PORT: "server.port",
  VIGIL_DEMO: "demo.enabled",
  VIGIL_DEMO_SPEED: "demo.speed",
  VIGIL_DEMO_HISTORY_DAYS: "demo.historyDays",
  VIGIL_DEMO_SCENARIO: "demo.scenario",
  VIGIL_DEMO_SEED: "demo.seed",
  VIGIL_APPROVAL_SECONDS: "actions.approvalSeconds",
  VIGIL_LEARNING: "learning.enabled",
  VIGIL_MODEL: "model.name",
  OPENAI_API_KEY: "model.apiKey",
  OPENAI_BASE_URL: "model.baseUrl",
  SLACK_BOT_TOKEN: "slack.botToken",
  SLACK_APP_TOKEN: "slack.appToken",
  SLACK_SIGNING_SECRET: "slack.signingSecret",
  SLACK_CHANNEL: "slack.channel",
  SLACK_API_URL: "slack.apiUrl",
  TEAMS_APP_ID: "teams.appId",
  TEAMS_APP_SECRET: "teams.appSecret",
  TEAMS_TENANT_ID: "teams.tenantId",
  TEAMS_CHANNEL: "teams.channel",
  TEAMS_HOST: "teams.host",
  TEAMS_PORT: "teams.port",
  TEAMS_SERVICE_URL: "teams.serviceUrl",
  VIGIL_METRICS_URL: "metrics.url",
  VIGIL_METRICS_TOKEN: "metrics.token",
  VIGIL_METRICS_PASSWORD: "metrics.password",
  VIGIL_LOGS_URL: "logs.url",
  VIGIL_LOGS_TOKEN: "logs.token",
  VIGIL_LOGS_PASSWORD: "logs.password",
  VIGIL_TRACES_URL: "traces.url",
  VIGIL_TRACES_TOKEN: "traces.token",
  VIGIL_TRACES_PASSWORD: "traces.password",
  VIGIL_FLAGS_TOKEN: "flags.token",
  VIGIL_DEPLOYS_TOKEN: "deploys.token",
  VIGIL_PULL_REQUEST_TOKEN: "deploys.pullRequest.token",
  VIGIL_GITHUB_TOKEN: "changes.github.token",
  VIGIL_GITLAB_API_TOKEN: "changes.gitlab.token",
  VIGIL_KUBECONFIG: "kubernetes.kubeconfig",
  VIGIL_AUDIT_ANCHOR_FILE: "audit.anchorFile",
  VIGIL_AUDIT_ANCHOR_TOKEN: "audit.anchorToken",
  VIGIL_ALERTMANAGER_TOKEN: "webhooks.alertmanager.token",
  VIGIL_GRAFANA_TOKEN: "webhooks.grafana.token",
  VIGIL_GRAFANA_SECRET: "webhooks.grafana.secret",
  VIGIL_PAGERDUTY_SECRET: "webhooks.pagerduty.secret",
  VIGIL_ALERTS_TOKEN: "webhooks.generic.token",
  VIGIL_CHANGES_TOKEN: "webhooks.changes.token",
  VIGIL_GITHUB_SECRET: "webhooks.github.secret",
  VIGIL_GITLAB_TOKEN: "webhooks.gitlab.token",
  VIGIL_ARGOCD_TOKEN: "webhooks.argocd.token",
  VIGIL_UNLEASH_EVENTS_TOKEN: "webhooks.unleash.token",
  VIGIL_ROTA: "onCall.file",
  PAGERDUTY_TOKEN: "onCall.pagerDuty.token",
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "observability.tracesUrl",
  VIGIL_SCRAPE_TOKEN: "observability.metricsToken",
  VIGIL_MCP_TOKEN: "mcp.token",
  PAGERDUTY_ROUTING_KEY: "escalation.pagerDuty.routingKey",
  OPSGENIE_API_KEY: "escalation.opsgenie.apiKey",
};

const secret = /(token|secret|key|password|(state|vectors)\.url)$|\.headers\./i;

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
    if (value) assign(raw, path, value);
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
