import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import { DEFAULT_PRICES, type ModelOptions } from "../agent/index.ts";
import type { ReplicaRole } from "../chat/web/index.ts";
import { lackingForSlack } from "../config/chat.ts";
import { environment } from "../config/environment.ts";
import { type Config, ConfigError, loadConfig } from "../config.ts";
import { distance } from "../domain/nearest.ts";
import type { Probe } from "../domain/probe.ts";
import { wallClock } from "../domain/time.ts";
import { McpTools } from "../sources/mcp/index.ts";
import { readLeader } from "../store/leadership.ts";
import { openPool, withoutPassword } from "../store/postgres.ts";
import { vectorsProbe } from "../wiring/knowledge-embedder.ts";
import { knowledgeSources, probeOf } from "../wiring/knowledge-sources.ts";
import { agentOptions, mcpServersOf, modelsOf } from "../wiring/minds.ts";
import { openTargets } from "../wiring/outbound.ts";
import { openBackends } from "../wiring/telemetry.ts";
import { type OutputOptions, print } from "./output.ts";

const run = promisify(execFile);

/** One thing that was looked at. `remedy` is there when something is to be done. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "fault";
  readonly detail: string;
  readonly remedy: string | null;
}

type Check = (config: Config) => Promise<Finding[]>;

const ok = (check: string, detail: string): Finding => ({ check, state: "ok", detail, remedy: null });
const warning = (check: string, detail: string, remedy: string): Finding => ({ check, state: "warning", detail, remedy });
const fault = (check: string, detail: string, remedy: string): Finding => ({ check, state: "fault", detail, remedy });
const reason = (error: unknown): string =>
  error instanceof Error ? (error.message.split("\n")[0] ?? error.name) : String(error);

const TIMEOUT = 5_000;

const checks: readonly Check[] = [
  nodeVersion,
  git,
  nativeModules,
  stateFolder,
  replicas,
  port,
  knowledge,
  systems,
  model,
  mcp,
  slack,
  teams,
];

/** Looks at everything that Vigil needs, changes nothing, and prints what it found. Exit code 1 when there is a fault. */
export async function doctor(options: OutputOptions): Promise<void> {
  const findings: Finding[] = [];
  try {
    const config = loadConfig();
    findings.push(
      ok(
        "configuration",
        existsSync(resolve("vigil.yaml")) ? "vigil.yaml and the environment" : "defaults: no vigil.yaml, so the demo is on",
      ),
    );
    findings.push(...strayVariables());
    for (const check of checks) findings.push(...(await check(config)));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    findings.push(fault("configuration", error.message, "Correct the keys that are named."));
  }
  print(options, { findings, healthy: findings.every(({ state }) => state !== "fault") }, () => table(findings));
  if (findings.some(({ state }) => state === "fault")) process.exitCode = 1;
}

function table(findings: readonly Finding[]): string {
  const mark = { ok: "✓", warning: "!", fault: "✗" };
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, state, detail, remedy }) => {
      const line = `${mark[state]} ${check.padEnd(width)}  ${detail}`;
      return remedy ? `${line}\n  ${" ".repeat(width)}  → ${remedy}` : line;
    })
    .join("\n");
}

/** Variables that look like ours and are read by nobody: a slip, or of another version. What Kubernetes makes of a Service is none. */
function strayVariables(): Finding[] {
  const known = [...Object.keys(environment).flatMap((name) => [name, `${name}_FILE`]), "VIGIL_CONFIG", "VIGIL_STOP"];
  const ofService = /^VIGIL_(?:SERVICE|PORT)_/;
  return Object.keys(process.env)
    .filter((name) => /^(?:VIGIL|SLACK|TEAMS)_/.test(name) && !known.includes(name) && !ofService.test(name))
    .map((name) => {
      const near = known.find((one) => distance(one, name) <= 2);
      const remedy = near ? `Did you mean ${near}?` : "Unset it; vigil.example.yaml names every variable.";
      return warning("configuration", `${name} is set, but nothing reads it`, remedy);
    });
}

async function nodeVersion(): Promise<Finding[]> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return [ok("node", process.version)];
  return [fault("node", `${process.version} is too old`, "Install Node 20.19 or newer.")];
}

async function git(): Promise<Finding[]> {
  try {
    return [ok("git", (await run("git", ["--version"], { timeout: TIMEOUT })).stdout.trim())];
  } catch (error) {
    return [fault("git", reason(error), "Install git: the demo and GitOps rollbacks use it.")];
  }
}

async function nativeModules(): Promise<Finding[]> {
  const modules = ["better-sqlite3", "hnswlib-node", "@resvg/resvg-js"];
  const results = await Promise.allSettled(modules.map((name) => import(name)));
  return results.map((result, index) => {
    const name = modules[index] ?? "";
    return result.status === "fulfilled"
      ? ok(name, "loads")
      : fault(name, reason(result.reason), "Install a C++ tool chain (Debian: build-essential, python3), then run npm ci again.");
  });
}

async function stateFolder(config: Config): Promise<Finding[]> {
  const folder = resolve(config.dataDir);
  const findings: Finding[] = [];
  const existing = existsSync(folder) ? folder : dirname(folder);
  try {
    accessSync(existing, constants.W_OK);
    const open = existsSync(folder) && (statSync(folder).mode & 0o077) !== 0;
    findings.push(
      open
        ? warning("state folder", `${folder} can be read by others`, `chmod 700 ${folder}`)
        : ok("state folder", existsSync(folder) ? folder : `${folder} will be created`),
    );
    const { bavail, bsize } = statfsSync(existing);
    const gigabytes = (Number(bavail) * Number(bsize)) / 1e9;
    findings.push(
      gigabytes < 1
        ? warning("disk", `${gigabytes.toFixed(1)} GB free`, "Free some space, or lower telemetry.retentionDays.")
        : ok("disk", `${gigabytes.toFixed(0)} GB free`),
    );
  } catch (error) {
    findings.push(fault("state folder", reason(error), `Make ${existing} writable, or set VIGIL_DATA_DIR to a folder that is.`));
  }
  return findings;
}

/** Who of the replicas on one PostgreSQL leads. Asks with a plain query: opening the state would bring its schema up to date. */
async function replicas({ state, metrics }: Config): Promise<Finding[]> {
  if (!state.url) return [];
  const pool = openPool(state.url);
  try {
    const leader = await readLeader(pool);
    const led: Finding = leader
      ? leader.left > 0
        ? ok(
            "replicas",
            `${leader.holder} leads (token ${leader.token}, its lease runs ${(leader.left / 1_000).toFixed(1)} s more)`,
          )
        : warning("replicas", `nobody leads; the last was ${leader.holder}`, "Start Vigil: nothing is watched meanwhile.")
      : ok("replicas", "no replica has led yet");
    const lacking = [
      ...(state.approvalKey ? [] : ["the same state.approvalKey, or the buttons of one mean nothing to another"]),
      ...(metrics.kind === "embedded" ? ["a shared metrics.kind, or exporters that send to every one"] : []),
    ];
    return [led, ...(lacking.length > 0 ? [ok("replicas", `more than one would need ${lacking.join("; and ")}`)] : [])];
  } catch (error) {
    const remedy = "Start PostgreSQL, or correct state.url (VIGIL_STATE_URL).";
    return [fault("replicas", `${withoutPassword(state.url)}: ${reason(error)}`, remedy)];
  } finally {
    await pool.end();
  }
}

async function port(config: Config): Promise<Finding[]> {
  const { host, port: number } = config.server;
  const url = `http://${host}:${number}/healthz`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT) });
    const body = (await response.json().catch(() => null)) as { name?: string; replica?: ReplicaRole } | null;
    if (body?.name === "vigil") return [ok("server", `Vigil is running on http://${host}:${number}${roleWords(body.replica)}`)];
    return [fault("server", `port ${number} is taken by something else`, "Stop it, or set VIGIL_PORT to a free port.")];
  } catch {
    const exposed = !["127.0.0.1", "::1", "localhost"].includes(host);
    return [
      exposed
        ? warning(
            "server",
            `will listen on ${host}:${number}, beyond this machine`,
            "Put single sign-on before it: the page has no login.",
          )
        : ok("server", `not running; ${host}:${number} is free`),
    ];
  }
}

const roleWords = (replica: ReplicaRole | undefined): string =>
  replica ? (replica.leads ? ", and leads" : `, and stands by: ${replica.leader ?? "another"} leads`) : "";

async function knowledge(config: Config): Promise<Finding[]> {
  const { catalog } = config.knowledge;
  if (existsSync(resolve(catalog))) return [ok("catalog", catalog)];
  const remedy = "Name your Backstage catalog in knowledge.catalog: owners, tiers and dependencies come from it.";
  return [warning("catalog", `${catalog} is not there; services are known from telemetry alone`, remedy)];
}

/** Everything configured brings its own check; they are tried at the same time. */
async function systems(config: Config): Promise<Finding[]> {
  const { flags, deploys, workloads } = openTargets(config, wallClock, null);
  const backends = Object.values(openBackends(config, Date.now, () => {})).filter((one) => one !== null);
  const probes: Probe[] = [
    ...backends,
    ...[flags, deploys, workloads, vectorsProbe(config)].filter((one) => one !== null),
    ...knowledgeSources(config, () => []).map(probeOf),
  ];
  return Promise.all(
    probes.map(async (probe): Promise<Finding> => {
      try {
        return ok(probe.concern, await probe.check());
      } catch (error) {
        // The remedy is part of the message.
        return { check: probe.concern, state: "fault", detail: reason(error), remedy: null };
      }
    }),
  );
}

/** Each model of the chain at its endpoint, and the date of the prices that costs are counted with. */
async function model(config: Config): Promise<Finding[]> {
  const models = modelsOf(config);
  if (models.length === 0) return [ok("model", "none: the offline reasoner thinks")];
  const { asOf } = agentOptions(config).prices ?? DEFAULT_PRICES;
  const priced = config.model.prices ? "configured" : "built-in";
  const found = await Promise.all(models.map((one) => modelAt(one)));
  return [...found, ok("model", `costs are counted with ${priced} prices of ${asOf}; set model.prices to your own`)];
}

async function modelAt({ name, apiKey, baseUrl, azure }: ModelOptions): Promise<Finding> {
  if (azure) return ok("model", `${name}: Azure deployment ${azure.deployment}, not tried`);
  const url = `${(baseUrl ?? "https://api.openai.com/v1").replace(/\/$/, "")}/models`;
  try {
    const response = await fetch(url, {
      headers: apiKey ? { authorization: `Bearer ${apiKey}` } : {},
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (response.ok) return ok("model", `${name} at ${new URL(url).host}`);
    const remedy = response.status === 401 ? "Check OPENAI_API_KEY." : "Check OPENAI_BASE_URL; it usually ends in /v1.";
    return fault("model", `${name}: ${new URL(url).host} answered ${response.status}`, remedy);
  } catch (error) {
    const remedy =
      "Vigil thinks with the next model, or offline, until it can be reached; check OPENAI_BASE_URL and the network.";
    return warning("model", `${name}: ${new URL(url).host}: ${reason(error)}`, remedy);
  }
}

/** What each MCP server offers of what is allowed. */
async function mcp(config: Config): Promise<Finding[]> {
  const servers = mcpServersOf(config);
  return Promise.all(
    servers.map(async (server) => {
      const said: string[] = [];
      const tools = new McpTools([server], { warn: (_about, message) => said.push(message) }, () => Date.now());
      const offered = (await tools.list()).length;
      await tools.close();
      const what = `${server.name}: ${offered} of ${server.allow.length} allowed tools`;
      if (offered === server.allow.length) return ok("mcp", what);
      return warning(
        "mcp",
        `${what}${said[0] ? `; ${said[0]}` : ""}`,
        `Check the address or command and the names under mcp.servers.${server.name}.allow.`,
      );
    }),
  );
}

async function slack(config: Config): Promise<Finding[]> {
  const { botToken, apiUrl, approvers, approverGroups, onCallApproves } = config.slack;
  const findings = (lackingForSlack(config.slack) ?? []).map((what) =>
    fault("slack", `missing: ${what}`, "Set it, or remove the other settings of Slack; Vigil does not start with half of them."),
  );
  if (!botToken) return findings;
  if (approvers.length === 0 && approverGroups.length === 0 && !onCallApproves) {
    const remedy = "List user ids under slack.approvers or groups under slack.approverGroups, or set slack.onCallApproves.";
    findings.push(warning("slack", "nobody may approve", remedy));
  }
  try {
    const response = await fetch(new URL("auth.test", apiUrl ?? "https://slack.com/api/"), {
      method: "POST",
      headers: { authorization: `Bearer ${botToken}` },
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const body = (await response.json()) as { ok: boolean; error?: string; team?: string; user?: string };
    findings.push(
      body.ok
        ? ok("slack", `${body.user ?? "bot"} in ${body.team ?? "the workspace"}`)
        : fault(
            "slack",
            `auth.test: ${body.error ?? response.status}`,
            "Check SLACK_BOT_TOKEN; reinstall the app from manifest.yml if scopes changed.",
          ),
    );
  } catch (error) {
    findings.push(fault("slack", reason(error), "Slack cannot be reached from here; check the network."));
  }
  return findings;
}

async function teams(config: Config): Promise<Finding[]> {
  const { appId, appSecret, appType, tenantId, channel, approvers, host, port: number } = config.teams;
  if (!appId && !channel) return [];
  const findings: Finding[] = [];
  const missing = [
    ...(appId ? [] : ["TEAMS_APP_ID"]),
    ...(appSecret || appType === "UserAssignedMSI" ? [] : ["TEAMS_APP_SECRET"]),
    ...(tenantId ? [] : ["TEAMS_TENANT_ID"]),
    ...(channel ? [] : ["TEAMS_CHANNEL"]),
  ];
  if (missing.length > 0)
    findings.push(fault("teams", `not set: ${missing.join(", ")}`, "Set them; Vigil does not start without."));
  if (approvers.length === 0)
    findings.push(warning("teams", "nobody may approve", "List Entra object ids under teams.approvers."));
  findings.push(ok("teams", `endpoint http://${host}:${number}/api/messages; Teams reaches it by the address of the Azure Bot`));
  if (!appId || !appSecret || !tenantId) return findings;
  try {
    const response = await fetch(`https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "client_credentials",
        client_id: appId,
        client_secret: appSecret,
        scope: "https://api.botframework.com/.default",
      }),
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const body = (await response.json()) as { error?: string; error_description?: string };
    const why = `${body.error ?? response.status}: ${(body.error_description ?? "").split(/[\r\n]/)[0]}`;
    findings.push(
      response.ok
        ? ok("teams", `Entra knows the app ${appId}`)
        : fault("teams", `Entra refuses the app (${why})`, "Check TEAMS_APP_ID, TEAMS_APP_SECRET and TEAMS_TENANT_ID."),
    );
  } catch (error) {
    findings.push(fault("teams", reason(error), "login.microsoftonline.com cannot be reached from here; check the network."));
  }
  return findings;
}
