import express from "express";
import { type Logger, pino } from "pino";
import { Presenter } from "./chat/presenter.ts";
import type { Surface } from "./chat/surface.ts";
import { evidencePages } from "./chat/web/evidence-page.ts";
import { type PageState, webSurface } from "./chat/web/index.ts";
import { lookPages, viewAt } from "./chat/web/looks/index.ts";
import type { Readable } from "./chat/web/looks/view.ts";
import { reportPages } from "./chat/web/report-page.ts";
import type { Config } from "./config.ts";
import { type Core, openCore } from "./core.ts";
import { type DemoHandle, isScenario, type ShopNames } from "./demo/index.ts";
import { type Clock, DAY, SECOND, wallClock } from "./domain/time.ts";
import { Answerer } from "./flows/answer.ts";
import { HeldBackDigest } from "./flows/held-back.ts";
import { Inference } from "./flows/infer.ts";
import { Investigator } from "./flows/investigate.ts";
import { Leadership } from "./flows/leadership.ts";
import { type Audience, OPERATOR } from "./flows/ports.ts";
import { collectReport, type Kpis } from "./flows/report.ts";
import { verdictOf } from "./flows/verdict.ts";
import type { Watcher } from "./flows/watch.ts";
import { mcpRouter } from "./mcp/http.ts";
import { Metrics, metricsRouter, type StateFigures } from "./observe/metrics.ts";
import { openTracing } from "./observe/tracing.ts";
import { OperatorError } from "./operator-error.ts";
import { otlpRouter } from "./sources/otlp/index.ts";
import { ConversationRepository } from "./store/conversations.ts";
import { LeaderRepository } from "./store/leadership.ts";
import { closeStores, openStores, type Stores } from "./stores.ts";
import { changeWatchers } from "./wiring/change-watchers.ts";
import { openDemo } from "./wiring/demo.ts";
import { holdFolder } from "./wiring/folder-lock.ts";
import { chatHandlers } from "./wiring/handlers.ts";
import { type HouseParts, keepOwnHouse } from "./wiring/housekeeping.ts";
import { openHttpServer } from "./wiring/http-server.ts";
import { Inbound } from "./wiring/inbound.ts";
import { keepReading, readKnowledge } from "./wiring/knowledge-reading.ts";
import { knowledgeSources } from "./wiring/knowledge-sources.ts";
import { lead } from "./wiring/leading.ts";
import { type DemoPlaces, openTargets, type Targets } from "./wiring/outbound.ts";
import type { Progress } from "./wiring/progress.ts";
import { emojiMeanings, openSurfaces } from "./wiring/surfaces.ts";

export interface App {
  readonly url: string;
  /** Resolves when history is loaded, knowledge is ingested and the watcher watches. */
  readonly ready: Promise<void>;
  readonly demo: DemoHandle | null;
  close(): Promise<void>;
}

/** Starts everything in order: stores, HTTP, demo, targets, agent, chat, watcher. The page answers within a second or two; the rest follows. */
export async function startApp(config: Config, options: { readonly names?: ShopNames } = {}): Promise<App> {
  const log = pino({ level: config.logLevel, base: null }, pino.destination(2));
  const stores = await openStores(config);
  const lost = () => {
    log.fatal({ folder: stores.folder }, "another Vigil took this folder while this one was stopped; this one ends");
    process.exit(1);
  };
  const release = await holdFolder(stores.folder, { lost }).catch(async () => {
    await closeStores(stores);
    throw new OperatorError(`Another Vigil uses ${stores.folder}. Stop it, or set VIGIL_DATA_DIR to another folder.`);
  });
  const app = new RunningApp(config, stores, log, options.names);
  try {
    await app.start();
  } catch (error) {
    await app.close();
    await release();
    throw error;
  }
  return {
    url: app.url,
    ready: app.ready,
    demo: app.demo,
    close: async () => {
      await app.close();
      await release();
    },
  };
}

class RunningApp {
  readonly #config: Config;
  readonly #stores: Stores;
  readonly #log: Logger;
  readonly #names: ShopNames | undefined;
  readonly #closers: (() => Promise<void>)[] = [];
  #clock: Clock = wallClock;
  #core: Core | null = null;
  #watcher: Watcher | null = null;
  #investigator: Investigator | null = null;
  #leadership: Leadership | null = null;
  readonly #progress: Progress = { current: { what: "starting", done: 0, total: 1 } };
  demo: DemoHandle | null = null;
  ready: Promise<void> = Promise.resolve();
  url = "";

  constructor(config: Config, stores: Stores, log: Logger, names: ShopNames | undefined) {
    this.#config = config;
    this.#stores = stores;
    this.#log = log;
    this.#names = names;
  }

  async start(): Promise<void> {
    const config = this.#config;
    const { telemetry, investigations } = this.#stores;
    const conversations = new ConversationRepository(this.#stores.state);
    // A page that responders reach is read by everyone, not by the operator alone.
    const readers: Audience = config.escalation.pageUrl ? null : OPERATOR;
    const web = webSurface({
      store: conversations,
      role: () => this.#role(),
      picture: async (id) => (await investigations.picture(id)) ?? this.#stores.recordings.answerPicture(id),
      state: () => this.#pageState(),
      emoji: () => this.#core && emojiMeanings(config, this.#core),
      demo: config.demo.enabled ? { play: (name) => this.#play(name) } : null,
      host: config.server.host,
      now: () => Date.now(),
      failed: (error) => this.#log.error({ err: error }, "the page failed"),
      pages: express.Router().use(
        reportPages((days) => this.#report(days === 0 ? 0 : Date.now() - days * DAY)),
        evidencePages(
          (id) => investigations.get(id),
          readers,
          (...asked) => viewAt(this.#readable(readers), ...asked),
        ),
        lookPages(() => this.#readable(readers)),
      ),
    });
    const http = express().disable("x-powered-by");
    const clock: Clock = { now: () => this.#clock.now(), speed: 1 };
    http.use(otlpRouter({ sink: telemetry, maxBytes: config.telemetry.maxBodyMegabytes * 1_000_000, clock }));
    const inbound = new Inbound(config, this.#stores, this.#log);
    http.use(inbound.router);
    const metrics = new Metrics();
    http.use(metricsRouter(metrics, config.observability.metricsToken));
    http.use(mcpRouter(() => this.#core?.openToolServer() ?? null, config.mcp.token));
    http.use(web.router);
    const server = await openHttpServer(http, config.server);
    this.#closers.push(() => server.close());
    this.url = server.url;

    const demo = await this.#startDemo(`http://127.0.0.1:${server.port}`);
    const targets = openTargets(config, this.#clock, demo);
    const { tracesUrl, tracesHeaders } = config.observability;
    const tracing = openTracing({ url: tracesUrl, headers: tracesHeaders });
    this.#closers.push(() => tracing.close());
    const observer = { tracer: tracing.tracer, meter: metrics };
    const core = await openCore(config, this.#stores, this.#clock, targets, this.#log, observer);
    metrics.watch(() => this.#figures(core));
    this.#core = core;
    this.#closers.push(() => core.close());

    const rest = await openSurfaces({ config, core, stores: this.#stores, store: conversations, log: this.#log });
    const surfaces: Surface[] = [web.surface, ...rest];
    const { state, fence, holder } = this.#stores;
    let takeTurn: (signal: AbortSignal) => Promise<() => Promise<void>> = async () => async () => undefined;
    const leadership = new Leadership({
      store: config.state.url ? new LeaderRepository(state) : null,
      holder,
      term: config.state.leaseSeconds * SECOND,
      fenced: (token, work) => (config.state.url ? fence.run({ holder, token }, work) : work()),
      lead: (signal) => takeTurn(signal),
      elapsed: () => performance.now(),
      log: this.#log,
    });
    this.#leadership = leadership;
    const presenter = new Presenter({
      surfaces,
      store: conversations,
      log: this.#log,
      sender: leadership,
      clockNote: demo ? `times of telemetry are the demo's, ${this.#clock.speed} times as fast as yours` : null,
    });
    const investigator = new Investigator({
      store: investigations,
      feedback: this.#stores.feedback,
      agent: {
        // What it says is read by everyone in the incident channel, and may cite only what they all may know.
        investigate: (request, events, signal) => core.audience.run(null, () => core.agent.investigate(request, events, signal)),
        answer: (request, events, signal) => core.agent.answer(request, events, signal),
      },
      channel: presenter,
      recordings: this.#stores.recordings,
      memory: investigations,
      runsHere: () => leadership.leads,
      picture: (anomaly) => this.#watcher?.picture(anomaly) ?? Promise.resolve(null),
      finished: (investigation) => inbound.finished(investigation),
      now: () => Date.now(),
      log: this.#log,
    });
    this.#investigator = investigator;
    const inference = new Inference({
      investigations,
      feedback: this.#stores.feedback,
      proposals: () => core.actions.list(),
      changes: telemetry,
      learning: core.learning,
      now: () => Date.now(),
    });
    core.actions.onChange((proposal) => {
      const show = async () => {
        await presenter.showProposal({ proposal, nonce: core.actions.nonceFor(proposal) });
        const verdict = verdictOf(proposal);
        if (verdict) await presenter.tell(proposal.investigationId, verdict);
        if (proposal.state === "verified" && proposal.investigationId) await this.#watcher?.mitigated(proposal.investigationId);
        await inference.actionEnded(proposal);
      };
      show().catch((error) => this.#log.error({ err: error, proposal: proposal.id }, "a proposal could not be shown"));
    });

    const heldBack = new HeldBackDigest({ channel: presenter, memory: investigations, now: () => Date.now(), log: this.#log });
    core.actions.onHeldBack((wish) => heldBack.note(wish));

    const answerer = new Answerer({
      agent: core.agent,
      conversation: investigations,
      investigationAt: async (at) => {
        const id = await presenter.investigationAt(at);
        return id ? investigations.get(id) : null;
      },
      recordings: this.#stores.recordings,
      revise: (...revised) => investigator.revise(...revised),
      within: (audience, work) => core.audience.run(audience, work),
      now: () => Date.now(),
      log: this.#log,
    });
    const handlers = chatHandlers({
      core,
      stores: this.#stores,
      investigator,
      answerer,
      presenter,
      inference,
      scanner: core.scanner,
      watchedSeries: () => this.#watcher?.watchedSeries ?? 0,
      clock: this.#clock,
      mind: this.#mind(),
      worth: config.worth,
    });
    for (const surface of surfaces) await surface.start(handlers);
    this.#closers.push(async () => {
      answerer.stop();
      for (const surface of surfaces) await surface.stop();
      await presenter.close();
    });
    inbound.open({
      core,
      investigator,
      scanner: core.scanner,
      channel: presenter,
      threadOf: (id) => conversations.ref(`investigation:${id}`, "slack"),
      clock: this.#clock,
      resolved: (incident) => inference.incidentResolved(incident),
      leads: () => leadership.leads,
    });
    this.#closers.push(() => inbound.close());
    const house: HouseParts = { config, stores: this.#stores, core, channel: presenter, clock: this.#clock, log: this.#log };
    const watching = (watcher: Watcher | null) => {
      this.#watcher = watcher;
    };
    const parts = {
      ...house,
      channel: presenter,
      investigator,
      inbound,
      inference,
      heldBack,
      progress: this.#progress,
      watching,
    };
    takeTurn = (signal) => lead(signal, parts);
    this.ready = this.#prepare(house, leadership, inbound, targets);
    this.ready.catch((error) => this.#log.fatal({ err: error }, "Vigil could not be made ready"));
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) {
      await close().catch((error) => this.#log.warn({ err: error }, "something did not close cleanly"));
    }
    this.#closers.length = 0;
    await closeStores(this.#stores);
  }

  /** Everything that takes a while: history, then the watch where this replica leads, then knowledge. */
  async #prepare(house: HouseParts, leadership: Leadership, inbound: Inbound, targets: Targets): Promise<void> {
    const { core } = house;
    const fresh = (await this.#stores.investigations.recall("story-played")) === null;
    await this.demo?.ready;
    const { recorder, servicesOf } = inbound;
    const watchers = changeWatchers(this.#config, {
      targets,
      stores: this.#stores,
      clock: this.#clock,
      recorder,
      servicesOf,
      log: this.#log,
    });
    core.useUnreadChanges(() => watchers.flatMap(({ fault }) => fault ?? []));
    // A system that is down now is asked again; Vigil starts without it.
    const seen = (error: unknown) => this.#log.warn({ err: error }, "changes could not be read; the next look tries again");
    await Promise.all(watchers.map((each) => each.look().catch(seen)));
    for (const each of watchers) each.start();
    this.#closers.push(async () => {
      await inbound.close();
      for (const each of watchers) await each.stop();
    });
    this.#closers.push(() => leadership.stop());
    await leadership.start();
    this.#closers.push(keepOwnHouse(house));
    // Last, since the embedding model is the largest thing in memory after the history that has just been learned from.
    this.#progress.current = { what: "reading past incidents and runbooks", done: 0, total: 1 };
    const sources = knowledgeSources(this.#config, servicesOf);
    const reading = { knowledge: core.knowledge, sources, progress: this.#progress, log: this.#log };
    await readKnowledge(reading);
    this.#closers.push(keepReading(reading, this.#config.knowledge.refreshMinutes));
    recorder.embedFromNowOn();
    await core.knowledge.catchUp();
    await core.learning.publishTo(core.knowledge);
    this.#progress.current = null;
    const { scenario } = this.#config.demo;
    if (this.demo && fresh && scenario !== "none") {
      await this.#stores.investigations.remember("story-played", scenario);
      if (scenario !== "quiet") await this.demo.play(scenario);
    }
  }

  async #startDemo(receiverUrl: string): Promise<DemoPlaces | null> {
    const demo = await openDemo({
      config: this.#config,
      stores: this.#stores,
      receiverUrl,
      names: this.#names,
      progress: this.#progress,
      log: this.#log,
    });
    if (!demo) return null;
    this.demo = demo;
    this.#clock = demo.clock;
    this.#closers.push(() => demo.stop());
    return demo;
  }

  async #play(name: string): Promise<void> {
    if (!this.demo) throw new OperatorError("The demo is off.");
    if (name !== "reset" && !isScenario(name)) throw new OperatorError(`There is no scenario ${name.slice(0, 40)}.`);
    if (this.#progress.current) throw new OperatorError("History is still being loaded; try again in a moment.");
    await this.demo.play(name);
  }

  /** What the tools read, for people. */
  #readable(readers: Audience): Readable {
    const core = this.#core;
    if (!core) throw new OperatorError("Vigil is starting; try again in a moment.");
    const { metrics, logs, traces } = core.telemetry;
    return {
      metrics,
      logs,
      traces,
      changes: core.changes,
      document: (id) =>
        readers === OPERATOR
          ? core.knowledge.document(id)
          : core.audience.run(readers, () => core.audience.bind(core.knowledge).document(id)),
      now: () => this.#clock.now(),
    };
  }

  /** Of what began since a moment. */
  #report(since: number): Promise<Kpis> {
    if (!this.#core) throw new OperatorError("Vigil is starting; try again in a moment.");
    return collectReport(this.#core.records, this.#config.worth, since);
  }

  #mind(): string {
    const { apiKey, baseUrl, name } = this.#config.model;
    return apiKey || baseUrl ? (name ?? "configured model") : "offline reasoner";
  }

  async #pageState(): Promise<PageState> {
    return {
      telemetryTime: this.#clock.now(),
      speed: this.#clock.speed,
      watchedSeries: this.#watcher?.watchedSeries ?? 0,
      progress: this.#progress.current,
      stopped: (await this.#core?.actions.stopReason()) ?? null,
      mind: this.#mind(),
      running: this.#investigator?.running ?? [],
      demo: this.demo && { current: this.demo.current() },
      replica: this.#role(),
    };
  }

  /** Null where there is only one. */
  #role(): PageState["replica"] {
    const leadership = this.#leadership;
    if (!leadership || leadership.alone) return null;
    return { leads: leadership.leads, self: this.#stores.holder, leader: leadership.leader };
  }

  async #figures(core: Core): Promise<StateFigures> {
    const [stopped, pending, latest] = await Promise.all([
      core.actions.stopReason(),
      core.actions.list({ states: ["pending"] }),
      this.#stores.telemetry.latest(),
    ]);
    return {
      watchedSeries: this.#watcher?.watchedSeries ?? 0,
      runningInvestigations: this.#investigator?.running.length ?? 0,
      pendingProposals: pending.length,
      stopped: stopped !== null,
      leads: this.#leadership?.leads ?? false,
      telemetryLag: latest === null ? null : (this.#clock.now() - latest) / SECOND,
    };
  }
}
