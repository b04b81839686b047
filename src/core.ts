import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { restartService } from "./actions/catalogue/restart-service.ts";
import { rollBackDeploy } from "./actions/catalogue/roll-back-deploy.ts";
import { scaleService } from "./actions/catalogue/scale-service.ts";
import { toggleFeatureFlag } from "./actions/catalogue/toggle-feature-flag.ts";
import { turnOffFeatureFlag } from "./actions/catalogue/turn-off-feature-flag.ts";
import { Actions, DEFAULT_POLICY, loadPolicy } from "./actions/index.ts";
import { type AgentOptions, createSreAgent, DEFAULT_TOOL_LIMITS } from "./agent/index.ts";
import type { Observer } from "./agent/observe.ts";
import { readToolServer } from "./agent/serve-tools.ts";
import type { AgentDependencies, AnomalyScanner, ReplayingAgent } from "./agent/types.ts";
import { OWN_CATALOG } from "./config/knowledge.ts";
import type { Config } from "./config.ts";
import { causalEffect } from "./diagnosis/causal-test.ts";
import type { KnowledgeBase } from "./domain/knowledge.ts";
import type { OnCallSource } from "./domain/oncall.ts";
import type { CatalogEntry, ServiceGraph } from "./domain/service.ts";
import type { ChangeSource } from "./domain/telemetry.ts";
import { type Clock, MINUTE, SECOND } from "./domain/time.ts";
import { Approvers } from "./flows/approvers.ts";
import { Learning } from "./flows/learn.ts";
import type { Log } from "./flows/log.ts";
import type { ReportSources } from "./flows/report.ts";
import { historyScanner } from "./flows/scan.ts";
import { openCases, pastCases } from "./flows/situation.ts";
import { AudienceScope } from "./knowledge/audience.ts";
import { type Knowledge, openKnowledge, readCatalog } from "./knowledge/index.ts";
import { OperatorError } from "./operator-error.ts";
import { McpTools } from "./sources/mcp/index.ts";
import { AlertRepository } from "./store/alerts.ts";
import { ExperimentRepository } from "./store/experiments.ts";
import { KnowledgeRepository } from "./store/knowledge.ts";
import { LearningRepository } from "./store/learning.ts";
import { ProposalRepository } from "./store/proposals.ts";
import type { RecordingRepository } from "./store/recordings.ts";
import { SwitchRepository } from "./store/switches.ts";
import type { Stores } from "./stores.ts";
import { embedderOf, remoteVectors } from "./wiring/knowledge-embedder.ts";
import { agentOptions, mcpServersOf } from "./wiring/minds.ts";
import { onCallSource } from "./wiring/on-call.ts";
import type { Targets } from "./wiring/outbound.ts";
import { graphReader } from "./wiring/service-graph.ts";
import { openTelemetry, type Telemetry } from "./wiring/telemetry.ts";

/** Everything that reasons and acts, without anything that listens. */
export interface Core {
  readonly knowledge: Knowledge;
  /** What is asked within it sees only what its audience may know. */
  readonly audience: AudienceScope;
  readonly learning: Learning;
  readonly actions: Actions;
  readonly agent: ReplayingAgent;
  /** Metrics, logs and traces from wherever the team keeps them. */
  readonly telemetry: Telemetry;
  /** What people and pipelines changed, and what of it cannot be read. */
  readonly changes: ChangeSource;
  /** The same world with another mind, other prompts or other budgets. */
  readonly agentWith: (options: AgentOptions) => ReplayingAgent;
  readonly recordings: RecordingRepository;
  /** The read tools by the Model Context Protocol, for one client. */
  readonly openToolServer: () => McpServer;
  readonly graph: () => Promise<ServiceGraph>;
  readonly catalog: () => Promise<readonly CatalogEntry[]>;
  readonly records: ReportSources;
  /** What is off its baseline: by a scanner that is kept current where there is one, else over stored history. */
  readonly scanner: AnomalyScanner;
  /** Takes a scanner that is kept current; null goes back to stored history. */
  useScanner(scanner: AnomalyScanner | null): void;
  /** Tells investigations of places whose changes cannot be read. */
  useUnreadChanges(unread: () => readonly string[]): void;
  close(): Promise<void>;
}

/** Wires stores, knowledge, actions and agent. Nothing runs by itself until `actions.start()`. */
export async function openCore(
  config: Config,
  stores: Stores,
  clock: Clock,
  targets: Targets,
  log: Log,
  observer?: Observer,
): Promise<Core> {
  const { investigations, feedback } = stores;
  const telemetry = openTelemetry(
    config,
    stores.telemetry,
    () => clock.now(),
    (message) => log.warn({}, message),
  );
  const step = config.detection.stepSeconds * SECOND;
  const alerts = new AlertRepository(stores.state);
  const learning = new Learning({
    investigations,
    feedback,
    proposals: () => actions.list(),
    undone: new LearningRepository(stores.state),
    enabled: config.learning.enabled,
    now: () => Date.now(),
    log,
  });
  const knowledge = await openKnowledge({
    embedder: embedderOf(config),
    indexFile: join(stores.folder, "passages.hnsw"),
    remote: remoteVectors(config),
    store: new KnowledgeRepository(stores.state),
    boost: (id, services) => learning.boost(id, services),
  });
  const audience = new AudienceScope();
  const entries = await catalogOf(config.knowledge.catalog);
  const catalog = async () => entries;
  const graph = graphReader(telemetry, catalog, clock);

  const { flags, deploys, workloads } = targets;
  const policy = config.actions.policyFile ? loadPolicy(resolve(config.actions.policyFile)) : DEFAULT_POLICY;
  const onCall = onCallSource(config);
  const approvers = await approversOf(config, onCall);
  const stopFile = join(stores.folder, "STOP");
  const actions = new Actions(
    {
      store: new ProposalRepository(stores.state, () => Date.now()),
      switches: new SwitchRepository(stores.state),
      experiments: new ExperimentRepository(stores.state, () => Date.now()),
      holder: stores.holder,
      catalogue: [
        ...(flags ? [toggleFeatureFlag(flags), turnOffFeatureFlag(flags)] : []),
        ...(deploys ? [rollBackDeploy(deploys)] : []),
        ...(workloads ? [restartService(workloads), scaleService(workloads)] : []),
      ],
      flags,
      metrics: telemetry.metrics,
      policy,
      graph,
      catalog,
      severityOf: async (id) => {
        const incident = id === null ? null : ((await investigations.get(id))?.incidentId ?? null);
        return incident === null ? null : alerts.worst(incident);
      },
      isApprover: (actor, proposal) => approvers.mayApprove(actor, proposal),
      stoppedOutside: () => {
        if (process.env.VIGIL_STOP) return "VIGIL_STOP is set in the environment";
        return existsSync(stopFile) ? `the file ${stopFile} exists` : null;
      },
      clock,
      now: () => Date.now(),
      key: config.state.approvalKey ? Buffer.from(config.state.approvalKey, "hex") : approvalKey(stores.folder),
      step,
      approvalTtl: config.actions.approvalSeconds * SECOND,
      verificationWindow: config.actions.verificationMinutes * MINUTE,
      // A roll-out is waited for by its adapter; the time-out is for one that does not come back.
      writeTimeout: (config.deploys.readySeconds + 20) * SECOND,
      causalWindow: config.actions.causalTestMinutes * MINUTE,
      record: (action, services) => learning.record(action, services),
      log,
    },
    causalEffect,
  );
  await learning.refresh();

  let unread: () => readonly string[] = () => [];
  const history = historyScanner(telemetry.metrics, { step, falseAlarmsPerWeek: config.detection.falseAlarmsPerWeek });
  let current: AnomalyScanner = history;
  const scanner: AnomalyScanner = { scan: (services, at) => current.scan(services, at) };
  const servers = mcpServersOf(config);
  const foreign = servers.length > 0 ? new McpTools(servers, log, () => Date.now()) : null;
  const changes: ChangeSource = { changes: (query) => stores.telemetry.changes(query), unread: () => unread() };
  const deps: AgentDependencies = {
    metrics: telemetry.metrics,
    logs: telemetry.logs,
    traces: telemetry.traces,
    changes,
    knowledge: audience.bind(knowledge),
    catalog,
    scanner,
    desk: {
      actions: actions.proposable,
      file: (request) => actions.file(request),
      again: async (id, actor) => {
        const proposal = await actions.get(id);
        const nonce = proposal && actions.nonceFor(proposal);
        return proposal && nonce
          ? actions.again({ proposalId: id, rev: proposal.rev, nonce, actor, name: actor, via: "button" })
          : { accepted: false, text: `${id} is not one that could be proposed anew.`, proposal };
      },
      mayDecide: (proposal, actor) => actions.mayDecide(proposal, actor),
    },
    causal: { run: (request, signal) => actions.runCausalTest(request, signal), candidates: () => actions.testableFlags() },
    clock,
    openCases: () =>
      openCases({
        unresolved: () => investigations.unresolvedIncidents(),
        ofIncident: (id) => investigations.ofIncident(id),
        running: () => investigations.list({ state: "running" }),
        proposals: (investigationId) => actions.list({ investigationId }),
        sees: (place) => audience.sees(place),
      }),
    pastCases: (since) =>
      pastCases(
        {
          ended: () => investigations.list({ state: "done" }),
          incident: (id) => investigations.incident(id),
          proposals: (investigationId) => actions.list({ investigationId }),
          sees: (place) => audience.sees(place),
        },
        since,
      ),
    proposalsOf: (investigationId) => actions.list({ investigationId }),
    ...(onCall ? { onCall } : {}),
    ...(foreign ? { foreign } : {}),
    learned: learning,
  };
  // Who asks by the Model Context Protocol is in no channel.
  const forEveryone: KnowledgeBase = {
    search: (query) => audience.run(null, () => deps.knowledge.search(query)),
    document: (id) => audience.run(null, () => deps.knowledge.document(id)),
  };
  const agent = createSreAgent(deps, { ...agentOptions(config), memory: investigations, ...(observer ? { observer } : {}) });
  return {
    knowledge,
    audience,
    learning,
    actions,
    agent,
    telemetry,
    agentWith: (options) => createSreAgent(deps, options),
    recordings: stores.recordings,
    openToolServer: () =>
      readToolServer(
        {
          ...deps,
          knowledge: forEveryone,
          openCases: () => audience.run(null, async () => (await deps.openCases?.()) ?? []),
          pastCases: (since: number) => audience.run(null, async () => (await deps.pastCases?.(since)) ?? []),
        },
        DEFAULT_TOOL_LIMITS,
      ),
    changes,
    graph,
    catalog,
    records: { investigations, feedback, proposals: () => actions.list(), alerts: () => alerts.all() },
    scanner,
    useScanner: (kept) => {
      current = kept ?? history;
    },
    useUnreadChanges: (now) => {
      unread = now;
    },
    close: async () => {
      await foreign?.close();
      await actions.close();
      await knowledge.close();
      await telemetry.close();
    },
  };
}

/** On loopback the person at the page is the operator; elsewhere only those whom the configuration names may approve. */
async function approversOf(config: Config, onCall: OnCallSource | null): Promise<Approvers> {
  const { slack, teams, server } = config;
  if (slack.onCallApproves && !onCall)
    throw new OperatorError(
      "slack.onCallApproves needs a rota or PagerDuty schedules: set onCall.file or onCall.pagerDuty, or remove it.",
    );
  const token = slack.approverGroups.length > 0 ? slack.botToken : undefined;
  const members = token
    ? (await import("./chat/slack/group.ts")).userGroup({ token, groups: slack.approverGroups, apiUrl: slack.apiUrl })
    : null;
  return new Approvers({
    rules: {
      web: { everyone: ["127.0.0.1", "::1", "localhost"].includes(server.host), users: new Set() },
      slack: {
        users: new Set(slack.approvers),
        ...(members ? { members } : {}),
        ...(slack.onCallApproves && onCall ? { onCall: { source: onCall, id: (person) => person.slackId } } : {}),
      },
      teams: { users: new Set(teams.approvers) },
    },
    now: () => Date.now(),
  });
}

/** Without a catalogue, criticality and owners are unknown; one that was named and cannot be read is an error. */
async function catalogOf(file: string): Promise<readonly CatalogEntry[]> {
  if (file === OWN_CATALOG && !existsSync(file)) return [];
  try {
    return await readCatalog(resolve(file));
  } catch (error) {
    throw new OperatorError(
      `knowledge.catalog (${file}) cannot be used: ${(error as Error).message}. Correct it, or remove the key.`,
    );
  }
}

/** The key behind the buttons' secrets, made once and readable by the owner only. */
function approvalKey(folder: string): Buffer {
  const file = join(folder, "approval.key");
  if (!existsSync(file)) writeFileSync(file, randomBytes(32), { mode: 0o600, flag: "wx" });
  return readFileSync(file);
}
