import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, DAY, type EpochMs, HOUR, MINUTE } from "../domain/time.ts";
import { DemoClock } from "./clock.ts";
import { ENVIRONMENT, shopFlags } from "./flags.ts";
import type { FromShop, ShopSettings, ToShop, UnleashPlace } from "./messages.ts";
import type { Play, Scenario } from "./scenarios.ts";
import { DEFAULT_NAMES, type ShopNames } from "./shop.ts";
import { World, worldPaths } from "./world.ts";

export { ENVIRONMENT as DEMO_ENVIRONMENT } from "./flags.ts";
export { isScenario } from "./scenarios.ts";
export { DEFAULT_NAMES, type ShopNames } from "./shop.ts";

export interface DemoOptions {
  /** Where flag file, repository, clock and state of the demo live. */
  readonly folder: string;
  /** Base URL of the OTLP receiver. */
  readonly receiverUrl: string;
  /** Demo minutes in a wall-clock minute. */
  readonly speed: number;
  readonly historyDays: number;
  readonly seed: number;
  readonly names?: ShopNames;
  /** Days that the demo's clock starts in the past; a faster clock must not overtake one that stamps what it scrapes. */
  readonly daysBack?: number;
  readonly unleash?: UnleashPlace | null;
  readonly metricsPort?: number | null;
  readonly sendMetrics?: boolean;
  /** Newest telemetry that is stored already, or null on the first start. */
  readonly resumeFrom: EpochMs | null;
  readonly onProgress?: (done: number, total: number) => void;
  readonly onFailure?: (error: string) => void;
}

export interface DemoHandle {
  readonly clock: Clock;
  readonly flagFile: string;
  readonly repository: string;
  readonly workloadFile: string;
  readonly environment: string;
  /** Resolves when the history is in and the shop is live. */
  readonly ready: Promise<void>;
  play(scenario: Scenario | "reset"): Promise<Play>;
  current(): Play;
  stop(): Promise<void>;
}

/** The demo begins at half past two at night, UTC, of the day on which it is first started: the hour of the story. */
export function demoStart(wall: EpochMs): EpochMs {
  return Math.floor(wall / DAY) * DAY + 2 * HOUR + 30 * MINUTE;
}

/** A shop that was live goes on where it stopped, however long ago; one that was stopped while loading its history loads the rest. */
function liveFrom(resumeFrom: EpochMs | null, wasLive: boolean, daysBack: number): EpochMs {
  const first = demoStart(Date.now()) - daysBack * DAY;
  if (resumeFrom === null) return first;
  return wasLive ? resumeFrom : Math.max(first, resumeFrom);
}

/** Stands still until the shop's clock is set, then follows it. */
class FollowingClock implements Clock {
  readonly speed: number;
  readonly #frozen: EpochMs;
  #clock: DemoClock | null = null;

  constructor(frozen: EpochMs, speed: number) {
    this.#frozen = frozen;
    this.speed = speed;
  }

  now(): EpochMs {
    return this.#clock?.now() ?? this.#frozen;
  }

  follow(clock: DemoClock): void {
    this.#clock = clock;
  }
}

/** Starts the demo shop as a process of its own. Its surroundings (flag file, repository) exist when this resolves. */
export async function startDemo(options: DemoOptions): Promise<DemoHandle> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const names = options.names ?? DEFAULT_NAMES;
  const paths = worldPaths(options.folder);
  const settings: ShopSettings = {
    folder: options.folder,
    receiverUrl: options.receiverUrl,
    speed: options.speed,
    historyDays: options.historyDays,
    seed: options.seed,
    names,
    resumeFrom: options.resumeFrom,
    unleash: options.unleash ?? null,
    metricsPort: options.metricsPort ?? null,
    sendMetrics: options.sendMetrics ?? true,
    start: liveFrom(options.resumeFrom, DemoClock.read(paths.clockFile) !== null, options.daysBack ?? 0),
  };
  const { start } = settings;
  await new World(
    options.folder,
    names,
    shopFlags(settings, () => start),
    () => start,
  ).ensure(start);
  const clock = new FollowingClock(start, options.speed);

  const child: ChildProcess = fork(join(import.meta.dirname, "main.ts"), [], {
    execArgv: ["--import", import.meta.resolve("tsx")],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let play: Play = { scenario: "quiet", since: start };
  let stopping = false;
  const waiting = new Map<number, { resolve: (play: Play) => void; reject: (error: Error) => void }>();
  const ready = new Promise<void>((resolve, reject) => {
    child.on("message", (message: FromShop) => {
      switch (message.type) {
        case "progress":
          options.onProgress?.(message.done, message.total);
          break;
        case "ready": {
          play = message.play;
          const set = DemoClock.read(paths.clockFile);
          if (set) clock.follow(set);
          resolve();
          break;
        }
        case "played":
          play = message.play;
          if (message.error) waiting.get(message.id)?.reject(new Error(message.error));
          else waiting.get(message.id)?.resolve(message.play);
          waiting.delete(message.id);
          break;
        case "failed":
          options.onFailure?.(message.error);
          reject(new Error(message.error));
      }
    });
    child.on("exit", (code) => {
      if (!stopping) options.onFailure?.(`the demo shop ended with code ${code}`);
      for (const { reject: refuse } of waiting.values()) refuse(new Error("the demo shop has ended"));
      reject(new Error("the demo shop ended before it was ready"));
    });
  });
  ready.catch(() => undefined);
  const send = (message: ToShop) => child.send(message);
  send({ type: "open", settings });

  let lastId = 0;
  return {
    clock,
    flagFile: paths.flagFile,
    repository: paths.repository,
    workloadFile: paths.workloadFile,
    environment: ENVIRONMENT,
    ready,
    current: () => play,
    play: (scenario) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        if (!child.connected) reject(new Error("the demo shop is not running"));
        else send({ type: "play", id, scenario });
      }),
    stop: async () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

/** Where a demo that was started in this folder keeps its flags and versions, or null when none ever was. */
export function readDemo(folder: string): Pick<DemoHandle, "flagFile" | "repository" | "workloadFile"> | null {
  const { flagFile, repository, workloadFile } = worldPaths(folder);
  return existsSync(flagFile) ? { flagFile, repository, workloadFile } : null;
}
