import { pino } from "pino";
import { toggleFeatureFlag } from "../../src/actions/catalogue/toggle-feature-flag.ts";
import type { Checkpoint } from "../../src/actions/context.ts";
import { type ActionContext, Actions, parsePolicy } from "../../src/actions/index.ts";
import { causalEffect } from "../../src/diagnosis/causal-test.ts";
import { IN_FLIGHT, type Proposal } from "../../src/domain/proposal.ts";
import type { MetricSource, RedQuery } from "../../src/domain/telemetry.ts";
import { MINUTE, SECOND } from "../../src/domain/time.ts";
import { ExperimentRepository } from "../../src/store/experiments.ts";
import { ProposalRepository } from "../../src/store/proposals.ts";
import type { StateDatabase } from "../../src/store/state.ts";
import { SwitchRepository } from "../../src/store/switches.ts";
import { gaussian, seededRandom } from "../support/synthetic-metrics.ts";
import { Cluster, type Fate } from "./cluster.ts";
import { type Finding, violations } from "./invariants.ts";

const START = Date.UTC(2026, 10, 24, 3);
const APPROVERS = ["web:maya", "web:jonas", "web:ines"];
/** Wall clock; real milliseconds, because a call that hangs has to be given up for real. */
const TIMEOUT = 4;
const STEPS = 22;

/** Limits out of the way, so that much happens; what they forbid has tests of its own. */
const POLICY = parsePolicy(
  {
    limits: {
      perTargetPerHour: 50,
      perServicePerHour: 50,
      perDay: 500,
      proposalsPerHour: 500,
      cooldownMinutesAfterRollback: 0,
      failedVerificationsUntilReadOnly: 50,
    },
    causalTests: { perFlagPerHour: 50 },
    canary: { towardsRisk: [0.5], windowShare: 0.4 },
  },
  "of the simulation",
);

const WEIGHTS: Readonly<Record<string, number>> = { time: 9, clicks: 5, file: 3, birth: 2, resume: 2, "causal test": 3 };

/** How much of each thing a run saw. */
export type Tally = Record<string, number>;

/** One process of Vigil on the shared store. A dead one never comes to its next line: each of its calls outside stays without an answer. */
class Process {
  readonly actions: Actions;
  alive = true;
  diskFull = false;
  /** Where it shall die, and after how many times of coming by. */
  doom: { readonly at: Checkpoint; times: number } | null = null;

  constructor(holder: string, db: StateDatabase, world: World, count: (what: string) => void) {
    const gated = <T extends object>(repository: T, reads: readonly string[]): T =>
      new Proxy(repository, {
        get: (target, name) => {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== "function") return method;
          return async (...args: unknown[]) => {
            if (!this.alive) return new Promise(() => {});
            if (this.diskFull && !reads.includes(String(name))) throw new Error("database or disk is full");
            const result: unknown = await method.apply(target, args);
            if (!this.alive) return new Promise(() => {});
            if (name === "move" && result === true) world.moved(String(args[0]), String(args[2]));
            return result;
          };
        },
      });
    const { wall, telemetry, cluster } = world;
    const checkpoint = async (point: Checkpoint): Promise<void> => {
      if (this.doom?.at === point && --this.doom.times <= 0) {
        this.alive = false;
        count(`killed at ${point}`);
      }
      if (!this.alive) await new Promise(() => {});
    };
    const options: Omit<ActionContext, "changed" | "severityOf"> = {
      store: gated(new ProposalRepository(db, wall), ["get", "list", "execution", "ranSince", "untold"]),
      switches: gated(new SwitchRepository(db), ["stopped"]),
      experiments: gated(new ExperimentRepository(db, wall), ["open", "of", "restoredSince"]),
      holder,
      catalogue: [toggleFeatureFlag(cluster.provider(() => this.alive))],
      flags: cluster.provider(() => this.alive),
      metrics: world.metrics,
      policy: POLICY,
      graph: async () => ({ nodes: ["shelf"], edges: [] }),
      catalog: async () => [{ name: "shelf", description: "", owner: "books", tier: 2, dependsOn: [] }],
      isApprover: async (actor) => world.approvers.has(actor),
      stoppedOutside: () => world.stopFile,
      page: async ({ id }) => {
        if (!this.alive) return new Promise(() => {});
        world.paged.add(id);
      },
      heldBack: async () => {},
      clock: { now: telemetry, speed: 1 },
      now: wall,
      key: Buffer.alloc(32, 1),
      step: MINUTE,
      approvalTtl: 5 * MINUTE,
      verificationWindow: 10 * MINUTE,
      causalWindow: 3 * MINUTE,
      targetTimeout: TIMEOUT,
      writeTimeout: TIMEOUT,
      pause: () => world.nextTick(),
      checkpoint,
      log: pino({ level: "silent" }),
    };
    this.actions = new Actions(options, causalEffect);
  }
}

/** What is outside of every process. */
class World {
  readonly clocks = { wall: START, telemetry: START };
  readonly wall = () => this.clocks.wall;
  readonly telemetry = () => this.clocks.telemetry;
  readonly cluster = new Cluster(this.wall);
  readonly approvers = new Set(APPROVERS);
  readonly paged = new Set<string>();
  /** The flag's share at the moment a proposal came to a state. */
  readonly stood = new Map<string, { readonly state: string; readonly percent: number }>();
  stopFile: string | null = null;
  dark = false;
  /** What lowering the flag does to the signal: helps, harms or nothing. */
  readonly slope: number;
  /** What happens to it anyway, a minute: nothing, or it gets worse and worse. */
  readonly drift: number;
  readonly #random: () => number;
  readonly #noise = new Map<number, number>();
  readonly #shares: { readonly at: number; readonly percent: number }[] = [];
  #waiting: (() => void)[] = [];

  constructor(random: () => number) {
    this.#random = random;
    this.slope = [0.012, -0.012, 0][Math.floor(random() * 3)] ?? 0;
    this.drift = random() < 0.2 ? 0.01 : 0;
  }

  moved(id: string, state: string): void {
    this.stood.set(id, { state, percent: this.cluster.percent });
  }

  nextTick(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  tick(minutes: number): void {
    for (let minute = 0; minute < minutes; minute++) {
      this.#shares.push({ at: this.clocks.telemetry, percent: this.cluster.percent });
      this.clocks.telemetry += MINUTE;
      this.clocks.wall += MINUTE;
    }
    this.cluster.tick();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  readonly metrics: MetricSource = {
    services: async () => ["shelf"],
    metrics: async () => [],
    query: async () => [],
    red: async ({ from, to, step, signal }: RedQuery) => {
      if (this.dark) throw new Error("connection refused");
      const points = [];
      for (let at = Math.ceil(from / step) * step; at < to; at += step) {
        if (!this.#noise.has(at)) this.#noise.set(at, 1 + 0.02 * gaussian(this.#random));
        const share = this.#shares.findLast((one) => one.at <= at)?.percent ?? 25;
        const level = 0.1 * (1 + this.slope * (share - 25)) * (1 + this.drift * Math.max(0, (at - START) / MINUTE));
        points.push({ at, value: signal === "rate" ? 10 : level * (this.#noise.get(at) ?? 1) });
      }
      return { metric: "red", service: "shelf", labels: {}, unit: "s", points };
    },
  };
}

const CHECKPOINTS: readonly Checkpoint[] = [
  "decided",
  "checked",
  "claimed",
  "sent",
  "read-back",
  "verifying",
  "sampled",
  "undo-claimed",
  "undo-sent",
  "undo-read-back",
  "undone",
  "undo-sampled",
  "ended",
  "experiment-begun",
  "pinned",
  "unpinning",
  "unpinned",
];
const FATES: readonly Fate[] = ["refused", "request lost", "answer lost", "late", "hangs"];

/**
 * One random schedule over the real actions and the real store: two processes, each with a connection of its own, that may die between any two
 * steps; people who click twice, at once, too late and on the wrong card; clocks that jump; a target that refuses, hangs, loses and delays;
 * disks that fill; metrics that go dark. Then everything is mended, time goes on, and the invariants are looked at.
 *
 * @param databases two connections to one empty store
 */
export async function simulate(
  seed: number,
  databases: readonly [StateDatabase, StateDatabase],
  tally: Tally,
): Promise<Finding[]> {
  const random = seededRandom(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const count = (what: string) => {
    tally[what] = (tally[what] ?? 0) + 1;
  };
  const world = new World(random);
  const { cluster, clocks } = world;
  const born = (index: number) => new Process(index === 0 ? "a" : "b", databases[index === 0 ? 0 : 1], world, count);
  const processes = [born(0), born(1)];
  const known: { readonly proposal: Proposal; readonly nonce: string }[] = [];
  const background: Promise<unknown>[] = [];

  /** Waits for work that may never end because its process died: a few real milliseconds are for calls that hang. */
  const within = async (work: readonly Promise<unknown>[]): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, 25 * TIMEOUT);
    });
    await Promise.race([Promise.allSettled(work), late]);
    clearTimeout(timer);
  };
  const settled = (some: readonly Process[]) => within(some.filter(({ alive }) => alive).map(({ actions }) => actions.settle()));
  const click = (process: Process, { proposal, nonce }: { proposal: Proposal; nonce: string }, more: object = {}) => {
    const name = pick(APPROVERS);
    return process.actions.decide({
      proposalId: proposal.id,
      rev: proposal.rev,
      nonce,
      verdict: "approve",
      reason: null,
      actor: name,
      name,
      via: "button",
      ...more,
    });
  };
  const file = async (process: Process, percent: number) => {
    const filed = await process.actions.file({
      action: "toggle_feature_flag",
      args: { flag: "new-layout", percent },
      reason: "because",
      expectedEffect: "latency goes down",
      watch: { service: "shelf", signal: pick(["latency", "errors"] as const), direction: "down", since: START - 40 * MINUTE },
      confidence: 0.9,
      investigationId: "INV-1",
      requester: pick(["vigil", "vigil", "web:maya"]),
    });
    if (!filed.ok) return;
    known.push({ proposal: filed.proposal, nonce: process.actions.nonceFor(filed.proposal) ?? "" });
    count("proposals");
  };

  const events: Readonly<Record<string, () => Promise<void>>> = {
    async file() {
      const process = pick(processes);
      if (process.alive) await within([file(process, pick([0, 0, 5, 10, 20, 30, 50]))]);
    },
    async clicks() {
      const wish = known.at(-1);
      if (!wish) return;
      const clicks = Array.from({ length: pick([1, 1, 2, 4, 8]) }, () => {
        const process = pick(processes);
        const how = random();
        if (!process.alive) return Promise.resolve();
        if (how < 0.08) return click(process, wish, { verdict: "deny", reason: "no" });
        if (how < 0.14) return click(process, wish, { actor: "web:mallory" });
        if (how < 0.18) return click(process, wish, { nonce: "AAAAAAAAAAAAAAAAAAAAAA" });
        if (how < 0.22) return click(process, pick(known));
        return click(process, wish);
      });
      count("clicks");
      await within(clicks);
    },
    async again() {
      const process = pick(processes);
      const wish = pick(known.slice(-3));
      if (!process.alive || !wish) return;
      const { id: proposalId, rev } = wish.proposal;
      const pressed = process.actions.again({ proposalId, rev, nonce: wish.nonce, actor: "web:ola", name: "ola", via: "button" });
      const answered = pressed.then(({ accepted, proposal }) => {
        if (!accepted || !proposal) return;
        known.push({ proposal, nonce: process.actions.nonceFor(proposal) ?? "" });
        count("proposed anew");
      });
      await within([answered]);
    },
    async time() {
      world.tick(pick([1, 2, 2, 4]));
      await settled(processes);
    },
    async "clock jump"() {
      clocks.wall += pick([-20, -6, -1, 1, 6, 20]) * MINUTE;
      await settled(processes);
    },
    async death() {
      pick(processes).doom = { at: pick(CHECKPOINTS), times: pick([1, 1, 2]) };
    },
    async "sudden death"() {
      pick(processes).alive = false;
    },
    async birth() {
      processes.forEach((process, index) => {
        if (!process.alive) processes[index] = born(index);
      });
    },
    async "bad target"() {
      const fate = pick(FATES);
      let left = pick([1, 1, 2, 9]);
      cluster.fate = () => (left-- > 0 ? fate : "arrives");
    },
    async outage() {
      cluster.down = !cluster.down;
    },
    async dark() {
      world.dark = !world.dark;
    },
    async "disk full"() {
      const process = pick(processes);
      process.diskFull = !process.diskFull;
    },
    async person() {
      cluster.personSets(pick([3, 25, 40]));
    },
    async stop() {
      const process = pick(processes);
      if (random() < 0.3) world.stopFile = world.stopFile ? null : "the file STOP exists";
      else if (process.alive) await within([process.actions.stop(pick(APPROVERS), "drill")]);
    },
    async resume() {
      const process = pick(processes);
      if (process.alive) await within(APPROVERS.map((one) => process.actions.resume(one)));
    },
    async approver() {
      const one = pick(APPROVERS);
      if (!world.approvers.delete(one)) world.approvers.add(one);
    },
    async "causal test"() {
      const process = pick(processes);
      if (!process.alive) return;
      const request = { flag: "new-layout", service: "shelf", signal: "latency" as const, investigationId: "INV-1" };
      background.push(process.actions.runCausalTest(request, new AbortController().signal).catch(() => null));
      await within([new Promise((resolve) => setTimeout(resolve, TIMEOUT))]);
    },
  };
  // Each run knows only some of the troubles (swarm testing: Groce et al. 2012), or none of them would ever get far.
  const always = ["time", "clicks", "file", "birth"];
  const bag = Object.keys(events)
    .filter((name) => always.includes(name) || random() < 0.35)
    .flatMap((name) => Array.from({ length: WEIGHTS[name] ?? 1 }, () => name));

  if (random() < 0.6) pick(processes).doom = { at: pick(CHECKPOINTS), times: 1 };
  await within([file(pick(processes), 0)]);
  for (let step = 0; step < STEPS; step++) {
    const name = pick(bag);
    count(name);
    await events[name]?.();
  }

  // Everything is mended, and time goes on until nothing is in flight.
  cluster.fate = () => "arrives";
  cluster.down = false;
  world.dark = false;
  world.stopFile = null;
  // Writes that are on their way arrive first; nobody who starts now may meet them half-way.
  const last = [born(0), born(1)];
  processes.forEach((process) => {
    process.alive = false;
  });
  clocks.wall = Math.max(clocks.wall, clocks.telemetry) + 30 * SECOND;
  for (let round = 0; round < 40; round++) {
    world.tick(4);
    await within(last.map(({ actions }) => actions.settle()));
    const [first] = last;
    const open = await first?.actions.list({ states: IN_FLIGHT });
    if (
      round > 3 &&
      open?.length === 0 &&
      cluster.quiet &&
      (await new ExperimentRepository(databases[0], world.wall).open()).length === 0
    )
      break;
  }
  const found = await violations(databases[0], {
    cluster,
    paged: world.paged,
    stood: world.stood,
    everApprovers: new Set(APPROVERS),
  });
  const end = await last[0]?.actions.list();
  for (const { state, outcome } of end ?? []) {
    count(`ended ${state}`);
    const undone = state === "unknown" && outcome?.includes("put back and read back");
    if (undone)
      count(outcome?.includes("yet the signal is worse") ? "undone, and worse than before" : "undone, and nobody can tell");
  }
  return found;
}
