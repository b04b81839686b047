import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { freePort, says, startPostgres } from "./postgres.ts";

export interface UnleashServer {
  readonly url: string;
  /** Token of the admin API. */
  readonly adminToken: string;
  /** Token with which an application's SDK reads the flags of `environment`. */
  readonly clientToken: string;
  readonly environment: string;
  readonly project: string;
  /** Calls the admin API directly, as a person's script would. */
  admin(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Makes a flag with one gradual rollout, switched on. */
  createFlag(name: string, percent: number, more?: { readonly description?: string }): Promise<void>;
  stop(): Promise<void>;
}

/** A real Unleash on a real PostgreSQL, both on loopback and both gone after `stop`. Takes about ten seconds. */
export async function startUnleash(): Promise<UnleashServer> {
  const postgres = await startPostgres();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const [environment, project] = ["development", "default"];
  const adminToken = "*:*.0123456789abcdef0123456789abcdef";
  const clientToken = `${project}:${environment}.0123456789abcdef0123456789abcdef`;
  const main = join(dirname(createRequire(import.meta.url).resolve("unleash-server")), "../server.js");
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env.PATH,
      TZ: "UTC",
      NODE_ENV: "production",
      DATABASE_URL: postgres.url,
      DATABASE_SSL: "false",
      HTTP_HOST: "127.0.0.1",
      HTTP_PORT: String(port),
      INIT_ADMIN_API_TOKENS: adminToken,
      INIT_CLIENT_API_TOKENS: clientToken,
      CHECK_VERSION: "false",
      SEND_TELEMETRY: "false",
      LOG_LEVEL: "info",
    },
  });
  process.once("exit", () => child.kill("SIGKILL"));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    await postgres.stop();
  };
  try {
    await says(child, "Unleash has started");
  } catch (error) {
    await stop();
    throw error;
  }
  const admin = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${url}/api/admin/${path}`, {
      method,
      headers: { authorization: adminToken, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return text === "" ? null : JSON.parse(text);
  };
  const createFlag: UnleashServer["createFlag"] = async (name, percent, more = {}) => {
    const feature = `projects/${project}/features/${name}`;
    await admin("POST", `projects/${project}/features`, { name, type: "release", ...more });
    await admin("POST", `${feature}/environments/${environment}/strategies`, {
      name: "flexibleRollout",
      parameters: { rollout: String(percent), stickiness: "default", groupId: name },
    });
    await admin("POST", `${feature}/environments/${environment}/on`);
  };
  return { url, adminToken, clientToken, environment, project, admin, createFlag, stop };
}
