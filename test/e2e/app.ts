import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import type { TestContext } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/** Vigil as a newcomer runs it: the real command in its own process, on a free port and a folder of its own. */
export interface RunningVigil {
  readonly url: string;
  readonly folder: string;
  readonly process: ChildProcess;
  /** What it wrote to its log. */
  readonly log: () => string;
  readonly state: () => Promise<PageStateLike>;
  /** Resolves when history is loaded and the watch has begun. */
  readonly ready: () => Promise<void>;
  readonly play: (scenario: string) => Promise<void>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
}

interface PageStateLike {
  readonly telemetryTime: number;
  readonly watchedSeries: number;
  readonly progress: object | null;
}

/** What Vigil logged last, when the test that it ran for failed. */
export function showLogOfFailure(task: TestContext["task"], vigil: RunningVigil | undefined): void {
  if (task.result?.state === "fail") console.error(`Vigil's log ended:\n${vigil?.log().slice(-3_000)}`);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

export async function startVigil(
  folder: string,
  env: Readonly<Record<string, string>> = {},
  port?: number,
): Promise<RunningVigil> {
  const at = port ?? (await freePort());
  const url = `http://127.0.0.1:${at}`;
  const child = spawn(process.execPath, ["--import", "tsx", join(root, "src/cli.ts"), "start"], {
    cwd: root,
    env: {
      ...process.env,
      VIGIL_DATA_DIR: folder,
      VIGIL_PORT: String(at),
      VIGIL_DEMO_SCENARIO: "none",
      OPENAI_API_KEY: "",
      SLACK_BOT_TOKEN: "",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stdout.on("data", (data) => {
    log += data;
  });
  child.stderr.on("data", (data) => {
    log += data;
  });
  // It must not outlive a test that was cut off.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const state = async () => (await (await fetch(`${url}/api/state`)).json()) as PageStateLike;
  const waitFor = async (what: string, seconds: number, done: () => Promise<boolean>) => {
    for (const end = Date.now() + seconds * 1_000; Date.now() < end; ) {
      if (ended()) throw new Error(`Vigil ended before ${what}:\n${log.slice(-3_000)}`);
      if (await done().catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`Not ${what} within ${seconds} s:\n${log.slice(-3_000)}`);
  };
  await waitFor("listening", 60, async () => (await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) })).ok).catch(
    (error) => {
      kill();
      throw error;
    },
  );
  return {
    url,
    folder,
    process: child,
    log: () => log,
    state,
    ready: () => waitFor("ready", 600, async () => (await state()).progress === null),
    play: async (scenario) => {
      const { token } = (await (await fetch(`${url}/api/session`)).json()) as { token: string };
      const response = await fetch(`${url}/api/demo/${scenario}`, {
        method: "POST",
        headers: { origin: url, "x-vigil-token": token, "content-type": "application/json" },
        body: "{}",
      });
      if (!response.ok) throw new Error(`${scenario} was refused: ${await response.text()}`);
    },
    stop: async (signal = "SIGTERM") => {
      if (ended()) return;
      const gone = once(child, "exit");
      child.kill(signal);
      await gone;
    },
  };
}
