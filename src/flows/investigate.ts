import { setMaxListeners } from "node:events";
import type { Recording } from "../agent/recording.ts";
import type { Progress, SreAgent } from "../agent/types.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { Investigation, InvestigationReport, InvestigationStep } from "../domain/investigation.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";
import type { Log } from "./log.ts";
import type { AnomalyPicture, Audience, IncidentChannel } from "./ports.ts";
import { Refresher } from "./refresher.ts";
import type { FeedbackStore, InvestigationStore, RecordingStore, WatchMemory } from "./stores.ts";

export interface InvestigatorDependencies {
  readonly store: InvestigationStore;
  readonly feedback: FeedbackStore;
  readonly agent: SreAgent;
  readonly channel: IncidentChannel;
  /** Where what they saw is kept; without it no second look and no replay. */
  readonly recordings?: RecordingStore;
  /** Draws the anomaly against its expected band, or null when there is nothing to draw. */
  readonly picture: (anomaly: Anomaly) => Promise<AnomalyPicture | null>;
  /** Told of each finished investigation, after it was shown. */
  readonly finished?: (investigation: Investigation) => Promise<void>;
  /** Where it stands who asked for what still runs, and what is to be stopped, for another process to read. */
  readonly memory?: WatchMemory;
  /** Whether investigations run in this process. Otherwise they are stored as running, and the replica that leads takes them up. Default: always. */
  readonly runsHere?: () => boolean;
  /** Wall clock. */
  readonly now: () => EpochMs;
  readonly log: Log;
}

/** How often the one that runs them looks for what others have opened or stopped. */
const LOOK_EVERY: Milliseconds = 2_000;

/** Who asked, kept while it runs: a wish is theirs also when another process goes on with it. */
interface Asked {
  readonly requester: string;
  readonly channel: string | null;
}

// The slash at the end keeps INV-1 apart from INV-12.
const askedKey = (id: string): string => `asked/${id}/`;
const stopKey = (id: string): string => `stop-investigation/${id}/`;

/** How often a running investigation's message may be edited. */
const UPDATE_EVERY: Milliseconds = 400;

/**
 * Opens investigations, posts them before the first tool has answered, keeps their message current, and stores every step, so that
 * a restart takes it up again: the same investigation, message and budget, evidence asked for again, since what was true before may not be now.
 * That costs half a second where nothing is paid for, and a model's money at most up to the budget of one investigation.
 */
export class Investigator {
  readonly #deps: InvestigatorDependencies;
  readonly #running = new Map<string, { readonly abort: AbortController; readonly done: Promise<Investigation> }>();
  /** Stored as running by this process, and about to. */
  readonly #opening = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();

  constructor(deps: InvestigatorDependencies) {
    this.#deps = deps;
  }

  /** Stores and posts a new investigation, then reasons in the background. Resolves once the first post is on its way. */
  async open(request: {
    readonly trigger: Investigation["trigger"];
    readonly incidentId: string | null;
    readonly anomalies: readonly Anomaly[];
    readonly question: string | null;
    readonly requester: string;
    /** Whose daily budget it counts against. */
    readonly channel?: string;
  }): Promise<Investigation> {
    const investigation: Investigation = {
      id: await this.#deps.store.nextId("INV"),
      incidentId: request.incidentId,
      trigger: request.trigger,
      question: request.question,
      anomalies: request.anomalies,
      state: "running",
      startedAt: this.#deps.now(),
      finishedAt: null,
      steps: [],
      report: null,
    };
    const { id } = investigation;
    const { requester, channel = null } = request;
    this.#opening.add(id);
    try {
      await this.#deps.memory?.remember(askedKey(id), { requester, channel } satisfies Asked);
      await this.#deps.store.save(investigation);
      await this.show(investigation);
      this.#start(investigation, requester, channel);
    } finally {
      this.#opening.delete(id);
    }
    return investigation;
  }

  /** Goes on with what a crash or a restart interrupted, and with what other replicas have opened. */
  async resume(): Promise<number> {
    const interrupted = await this.#deps.store.list({ state: "running" });
    for (const { id } of interrupted) {
      if (this.#running.has(id) || this.#opening.has(id)) continue;
      this.#opening.add(id);
      try {
        const asked = await this.#deps.memory?.recall<Asked>(askedKey(id));
        // It may have ended since the list was read.
        const now = await this.#deps.store.get(id);
        if (now?.state !== "running") continue;
        this.#deps.log.info({ investigation: id }, "taking up an investigation that is running in the store and nowhere else");
        this.#start(begunAnew(now), asked?.requester ?? "vigil", asked?.channel);
      } finally {
        this.#opening.delete(id);
      }
    }
    return interrupted.length;
  }

  /** Keeps taking up what others open, and stops what they stop; ends with `close`. */
  async lookAfterAll(): Promise<void> {
    await this.resume();
    const look = () => {
      this.#looking = Promise.all([this.resume(), this.#stopWhatOthersStopped()])
        .then(() => undefined)
        .catch((error) => this.#deps.log.warn({ err: error }, "what others opened could not be looked for; trying again"));
      void this.#looking.then(() => {
        if (this.#timer) this.#timer = setTimeout(look, LOOK_EVERY);
      });
    };
    this.#timer = setTimeout(look, LOOK_EVERY);
  }

  async #stopWhatOthersStopped(): Promise<void> {
    for (const [id, { abort }] of this.#running) {
      if (await this.#deps.memory?.recall(stopKey(id))) abort.abort(new Error("cancelled"));
    }
  }

  /** Looks again at a finished investigation, with what telemetry has brought since; the same message tells. */
  async again(id: string): Promise<void> {
    const known = await this.#deps.store.get(id);
    if (!known || this.#running.has(id)) return;
    const { cost: _, interruptions: __, ...rest } = known;
    const reopened: Investigation = { ...rest, state: "running", finishedAt: null, steps: [] };
    this.#opening.add(id);
    try {
      await this.#deps.store.save(reopened);
      this.#start(reopened, "vigil", null);
    } finally {
      this.#opening.delete(id);
    }
  }

  /**
   * Puts a new report in the place of the one that somebody objected to; the same message tells. False while it still runs.
   * What was once revised in a private place stays of it.
   */
  async revise(id: string, report: InvestigationReport, recording: Recording | null, place: Audience = null): Promise<boolean> {
    const known = await this.#deps.store.get(id);
    if (!known || known.state === "running" || this.#running.has(id)) return false;
    const { hypotheses } = report;
    const audience = known.audience ?? place;
    const revised: Investigation = { ...known, state: "done", finishedAt: this.#deps.now(), hypotheses, report, audience };
    await this.#deps.store.save(revised);
    if (recording) await this.#deps.recordings?.saveRecording(id, recording);
    await this.show(revised);
    return true;
  }

  /** Adds anomalies of the same incident to a running or finished investigation and shows them. */
  async join(id: string, anomalies: readonly Anomaly[]): Promise<void> {
    const known = await this.#deps.store.get(id);
    if (!known) return;
    const joined = { ...known, anomalies };
    await this.#deps.store.save(joined);
    if (!this.#running.has(id)) await this.show(joined);
  }

  /** Stops one, wherever it runs. */
  async cancel(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running) return running.abort.abort(new Error("cancelled"));
    const known = await this.#deps.store.get(id);
    if (known?.state === "running") await this.#deps.memory?.remember(stopKey(id), { at: this.#deps.now() });
  }

  /** Stops all, wherever they run. */
  async cancelAll(): Promise<void> {
    for (const id of this.#running.keys()) await this.cancel(id);
    for (const { id } of await this.#deps.store.list({ state: "running" })) await this.cancel(id);
  }

  /** Stops all work here and waits for it; interrupted investigations stay `running` in the store and are taken up at the next start, or by who leads. */
  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#looking;
    const all = [...this.#running.values()];
    for (const { abort } of all) abort.abort(new Error("shutting down"));
    await Promise.allSettled(all.map(({ done }) => done));
  }

  get running(): readonly string[] {
    return [...this.#running.keys()];
  }

  /** Resolves with the finished investigation; at once when it is not running. */
  async finished(id: string): Promise<Investigation | null> {
    await this.#running.get(id)?.done;
    return this.#deps.store.get(id);
  }

  /** Posts or updates the message of an investigation from what is stored beside it. */
  async show(investigation: Investigation): Promise<void> {
    const [picture, feedback] = await Promise.all([
      this.#deps.store.picture(investigation.id),
      this.#deps.feedback.of(investigation.id),
    ]);
    await this.#deps.channel.showInvestigation({ investigation, picture, feedback });
  }

  #start(investigation: Investigation, requester: string, channel: string | null = null): void {
    if (this.#deps.runsHere?.() === false) return;
    const abort = new AbortController();
    // Every tool call listens for the stop.
    setMaxListeners(100, abort.signal);
    const done = this.#run(investigation, requester, channel, abort.signal)
      .catch((error) => {
        // It could not even be stored how it ended, so it goes on as running: here at the next look, or where the leader is.
        this.#deps.log.error({ err: error, investigation: investigation.id }, "an investigation could not be stored");
        return investigation;
      })
      .finally(() => this.#running.delete(investigation.id));
    this.#running.set(investigation.id, { abort, done });
  }

  async #run(opened: Investigation, requester: string, channel: string | null, signal: AbortSignal): Promise<Investigation> {
    const { store, agent, log } = this.#deps;
    const steps = new Map<string, InvestigationStep>();
    let progress: Partial<Progress> = {};
    let recording: Recording | null = null;
    const view = new Refresher(
      UPDATE_EVERY,
      async () => {
        const current = await this.#merge(opened, { steps: [...steps.values()], ...progress });
        await store.save(current);
        await this.show(current);
      },
      (error) => log.warn({ err: error, investigation: opened.id }, "a progress update was not shown"),
    );
    const drawn = this.#draw(opened).then((changed) => {
      if (changed) view.request();
    });
    try {
      const report = await agent.investigate(
        {
          investigationId: opened.id,
          anomalies: opened.anomalies,
          question: opened.question,
          requester,
          channel,
          spent: opened.cost ?? null,
          lastLook: (await this.#deps.recordings?.recording(opened.id)) ?? null,
        },
        {
          onProgress: (known) => {
            progress = known;
            view.request();
          },
          onRecorded: (seen) => {
            recording = seen;
          },
          onStep: (step) => {
            steps.set(step.id, step);
            view.request();
          },
        },
        signal,
      );
      await drawn;
      await view.settle();
      const finished = await this.#merge(opened, {
        state: "done",
        finishedAt: this.#deps.now(),
        steps: [...steps.values()],
        hypotheses: report.hypotheses,
        cost: report.cost,
        report,
      });
      if (recording) await this.#deps.recordings?.saveRecording(opened.id, recording);
      await store.save(finished);
      await this.#forgetAsked(opened.id);
      await this.show(finished);
      log.info({ investigation: finished.id, outcome: report.outcome, ms: report.cost.duration }, report.headline);
      await this.#deps
        .finished?.(finished)
        .catch((error) => log.error({ err: error, investigation: finished.id }, "what follows an investigation failed"));
      return finished;
    } catch (error) {
      await drawn;
      await view.settle();
      const reason = signal.aborted ? String((signal.reason as Error | undefined)?.message ?? "") : "";
      if (reason === "shutting down") return opened;
      const ended = await this.#merge(opened, {
        state: signal.aborted ? "cancelled" : "failed",
        finishedAt: this.#deps.now(),
        steps: [...steps.values()],
        ...progress,
      });
      await store.save(ended);
      await this.#forgetAsked(opened.id);
      await this.show(ended);
      if (!signal.aborted) log.error({ err: error, investigation: opened.id }, "investigation failed");
      return ended;
    }
  }

  async #forgetAsked(id: string): Promise<void> {
    await this.#deps.memory?.forget(askedKey(id));
    await this.#deps.memory?.forget(stopKey(id));
  }

  /** Anomalies may have joined in the meantime, so the stored ones win. */
  async #merge(opened: Investigation, changed: Partial<Investigation>): Promise<Investigation> {
    const stored = await this.#deps.store.get(opened.id);
    return { ...opened, anomalies: stored?.anomalies ?? opened.anomalies, ...changed };
  }

  async #draw(investigation: Investigation): Promise<boolean> {
    const [first] = investigation.anomalies;
    if (!first) return false;
    try {
      const picture = await this.#deps.picture(first);
      if (picture) await this.#deps.store.savePicture(investigation.id, picture);
      return picture !== null;
    } catch (error) {
      this.#deps.log.warn(
        { err: error, investigation: investigation.id },
        "the picture could not be drawn; the investigation goes on",
      );
      return false;
    }
  }
}

/** As it is taken up: what others opened and nobody began is no interruption. */
function begunAnew(stored: Investigation): Investigation {
  const begun = stored.steps.length > 0 || stored.cost !== undefined;
  return begun ? { ...stored, steps: [], interruptions: (stored.interruptions ?? 0) + 1 } : stored;
}
