import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../e2e/app.ts";

/** The version of a Debian package's server, or null when it is not installed, which is said aloud. On CI it must be there. */
export function installed(binary: string, version = "--version"): string | null {
  try {
    return (
      /v?(\d+\.\d+\.\d+)/.exec(execFileSync(binary, [version], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }))?.[1] ??
      "unknown"
    );
  } catch (error) {
    if (process.env.CI === "true") throw new Error(`${binary} is missing; .ci/run installs it`, { cause: error });
    process.stderr.write(`SKIPPED: the contract with a real ${binary}. Install it: apt-get install ${binary}\n`);
    return null;
  }
}

export interface RunningServer {
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

async function run(binary: string, args: readonly string[], url: string, ready: string): Promise<RunningServer> {
  const child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (data) => {
    log = `${log}${data}`.slice(-4_000);
  });
  const isReady = async () => {
    if (child.exitCode !== null) throw new Error(`${binary} ended with ${child.exitCode}:\n${log}`);
    return fetch(`${url}${ready}`).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  for (const end = Date.now() + 30_000; !(await isReady()); ) {
    if (Date.now() > end) throw new Error(`${binary} is not ready after 30 s:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    process: child,
    stop: async () => {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.kill()) await gone;
    },
  };
}

/** A real Prometheus in `folder`; history comes from an OpenMetrics file by promtool. */
export async function startPrometheus(
  folder: string,
  options: { readonly history?: Iterable<string>; readonly config?: object; readonly rules?: object } = {},
): Promise<RunningServer> {
  const data = join(folder, "prometheus-data");
  mkdirSync(data, { recursive: true });
  if (options.history !== undefined) {
    const file = join(folder, "history.om");
    const opened = openSync(file, "w");
    for (const piece of options.history) writeSync(opened, piece);
    closeSync(opened);
    const load = ["tsdb", "create-blocks-from", "--max-block-duration=240h", "openmetrics", file, data];
    await promisify(execFile)("promtool", load, { maxBuffer: Number.POSITIVE_INFINITY });
    rmSync(file);
  }
  const config = join(folder, "prometheus.json");
  // JSON is YAML.
  const rules = join(folder, "rules.json");
  if (options.rules) writeFileSync(rules, JSON.stringify(options.rules));
  writeFileSync(config, JSON.stringify({ ...options.config, ...(options.rules ? { rule_files: [rules] } : {}) }));
  const port = await freePort();
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${data}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--enable-feature=exemplar-storage",
    "--log.level=warn",
  ];
  return run("prometheus", args, `http://127.0.0.1:${port}`, "/-/ready");
}

/** A real Alertmanager that tells one webhook at once. */
export async function startAlertmanager(
  folder: string,
  webhook: { readonly url: string; readonly token: string },
): Promise<RunningServer> {
  const file = join(folder, "alertmanager.json");
  writeFileSync(
    file,
    JSON.stringify({
      route: { receiver: "vigil", group_by: ["alertname"], group_wait: "200ms", group_interval: "1s", repeat_interval: "1s" },
      receivers: [
        {
          name: "vigil",
          webhook_configs: [
            {
              url: webhook.url,
              send_resolved: true,
              http_config: { authorization: { type: "Bearer", credentials: webhook.token } },
            },
          ],
        },
      ],
    }),
  );
  const port = await freePort();
  const args = [
    `--config.file=${file}`,
    `--storage.path=${join(folder, "alertmanager")}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--cluster.listen-address=",
    "--log.level=error",
  ];
  return run("prometheus-alertmanager", args, `http://127.0.0.1:${port}`, "/-/ready");
}

/** A real VictoriaMetrics in `folder`. */
export async function startVictoriaMetrics(folder: string): Promise<RunningServer> {
  const port = await freePort();
  const args = [
    `-storageDataPath=${join(folder, "victoria-data")}`,
    `-httpListenAddr=127.0.0.1:${port}`,
    "-retentionPeriod=1y",
    "-search.disableCache",
    "-loggerLevel=WARN",
  ];
  return run("victoria-metrics", args, `http://127.0.0.1:${port}`, "/health");
}
