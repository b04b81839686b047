import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Unleash as UnleashClient } from "unleash-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { watchUnleash } from "../../src/sources/unleash/index.ts";
import { KnowledgeRepository } from "../../src/store/knowledge.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { Unleash } from "../../src/targets/unleash/index.ts";
import { emptyFile } from "../support/empty-file.ts";
import { bareRepository } from "../support/git-server.ts";
import { memoryWatching } from "../support/memory-watching.ts";
import { startUnleash, type UnleashServer } from "../support/unleash-server.ts";
import { flagProviderContract } from "./flag-provider.ts";
import { survivalContract } from "./survival.ts";

let server: UnleashServer;
let keys = 0;

const provider = (more: Partial<ConstructorParameters<typeof Unleash>[0]> = {}) =>
  new Unleash({
    url: server.url,
    token: server.adminToken,
    project: server.project,
    environment: server.environment,
    ...more,
  });
const write = (expected: string | null = null) => ({
  actor: "vigil (approved by maya)",
  reason: "latency",
  idempotencyKey: `sdk-${++keys}`,
  expected,
});

beforeAll(async () => {
  server = await startUnleash();
  await server.createFlag("rollout", 10);
}, 120_000);
afterAll(() => server?.stop());

flagProviderContract(
  "a real Unleash",
  async () => {
    await reset("rollout", 10);
    return provider();
  },
  { fractions: false },
);

/** A name is never free again in Unleash, so a fresh flag is the old one with a new rollout and nothing else. */
async function reset(name: string, percent: number): Promise<void> {
  const flag = `projects/${server.project}/features/${name}/environments/${server.environment}`;
  const old = (await server.admin("GET", `${flag}/strategies`)) as { id: string }[];
  const parameters = { rollout: String(percent), stickiness: "default", groupId: name };
  await server.admin("POST", `${flag}/strategies`, { name: "flexibleRollout", parameters });
  for (const { id } of old) await server.admin("DELETE", `${flag}/strategies/${id}`);
  await server.admin("POST", `${flag}/on`);
}

/** What an application sees: the official SDK with its own token. `share` is the percentage of a thousand users that get the flag. */
async function application() {
  const client = new UnleashClient({
    url: `${server.url}/api`,
    appName: "till",
    customHeaders: { Authorization: server.clientToken },
    refreshInterval: 100,
    disableMetrics: true,
    backupPath: mkdtempSync(join(tmpdir(), "vigil-unleash-client-")),
  });
  client.on("error", () => undefined);
  await new Promise<void>((done) => client.once("synchronized", () => done()));
  const share = (flag: string, cohort: string): number => {
    const users = Array.from({ length: 1_000 }, (_, user) => `shopper-${user}`);
    return users.filter((userId) => client.isEnabled(flag, { userId, properties: { cohort } })).length / 10;
  };
  return { share, stop: () => client.destroy() };
}

describe("what an application's Unleash SDK sees", () => {
  it("a share that Vigil set, a cohort that it pinned, and the flag as it was after a restore", async () => {
    await server.createFlag("new-keys", 28);
    const flags = provider();
    const till = await application();
    const seen = (cohort: string) => expect.poll(() => till.share("new-keys", cohort), { timeout: 5_000, interval: 50 });
    await seen("live").toBeGreaterThan(23);
    const snapshot = await flags.snapshot("new-keys");

    await flags.pinCohort("new-keys", "test", true, write());
    await seen("test").toBe(0);
    expect(till.share("new-keys", "live")).toBeGreaterThan(23);

    await flags.setPercent("new-keys", 1, write());
    await seen("live").toBeLessThan(3);
    await flags.setEnabled("new-keys", false, write());
    await seen("live").toBe(0);

    await flags.restore("new-keys", snapshot, write());
    await seen("test").toBeGreaterThan(23);
    till.stop();
  });
});

describe("a real Unleash whose flags are built in other ways", () => {
  const path = (name: string, rest = "") =>
    `projects/${server.project}/features/${name}/environments/${server.environment}/${rest}`;

  it("switches a flag of several strategies off, restores it exactly, and refuses to give it a share", async () => {
    await server.createFlag("many", 40);
    await server.admin("POST", path("many", "strategies"), { name: "default", parameters: {} });
    const flags = provider();
    const before = await flags.get("many");
    expect(before).toMatchObject({ percent: 100, enabled: true });
    await expect(flags.setPercent("many", 5, write())).rejects.toThrow(/not one gradual rollout.*2 strategies/);
    const snapshot = await flags.snapshot("many");
    await flags.setEnabled("many", false, write());
    const [first] = (await server.admin("GET", path("many", "strategies"))) as { id: string }[];
    await server.admin("DELETE", path("many", `strategies/${first?.id}`));
    expect((await flags.restore("many", snapshot, write())).fingerprint).toBe(before?.fingerprint);
  });

  it("keeps constraints, segments' order and another environment as they are when it changes a share", async () => {
    await server.createFlag("constrained", 40);
    const [strategy] = (await server.admin("GET", path("constrained", "strategies"))) as { id: string }[];
    const constraints = [{ contextName: "country", operator: "IN", values: ["NO"], inverted: false, caseInsensitive: false }];
    await server.admin("PATCH", path("constrained", `strategies/${strategy?.id}`), [
      { op: "replace", path: "/constraints", value: constraints },
    ]);
    await provider().setPercent("constrained", 3, write());
    const [after] = (await server.admin("GET", path("constrained", "strategies"))) as Record<string, unknown>[];
    expect(after).toMatchObject({ id: strategy?.id, constraints, parameters: { rollout: "3" } });
  });

  it("names the services that tags give, and counts a switched-off strategy as nobody", async () => {
    await server.createFlag("tagged", 40, { description: "Reads under the new layout" });
    await server.admin("POST", "tag-types", { name: "service", description: "reads the flag", icon: "S" });
    await server.admin("POST", "features/tagged/tags", { type: "service", value: "catalog" });
    const [strategy] = (await server.admin("GET", path("tagged", "strategies"))) as { id: string }[];
    await server.admin("PATCH", path("tagged", `strategies/${strategy?.id}`), [
      { op: "replace", path: "/disabled", value: true },
    ]);
    const flags = provider();
    const state = await flags.get("tagged");
    expect(state).toMatchObject({ services: ["catalog"], description: "Reads under the new layout", percent: 0 });
    expect((await flags.list()).find(({ key }) => key === "tagged")).toEqual(state);
  });

  it("tells doctor what it found", async () => {
    expect(await provider().check()).toMatch(/^Unleash 7\.\S+ at 127\.0\.0\.1:\d+, default in development: \d+ flags$/);
  });

  it("says what to correct: a wrong token, project or environment, a name that is none", async () => {
    await expect(provider({ token: "*:*.nobody" }).list()).rejects.toThrow(/does not accept the token.*flags\.token/);
    await expect(provider({ project: "elsewhere" }).check()).rejects.toThrow(/no project elsewhere.*flags\.project/);
    await expect(provider({ environment: "moon" }).get("rollout")).rejects.toThrow(/no environment moon.*development/);
    await expect(provider({ environment: "moon" }).check()).rejects.toThrow(/no environment moon.*flags\.environment/);
    expect(await provider().get("../../../health")).toBeNull();
  });
});

describe("Vigil on a real Unleash and a real git remote", () => {
  it("knows what changed in both, and of what others tell it, and finds each by what was written about it", async () => {
    const { url, adminToken: token, project, environment } = server;
    await server.createFlag("express-quotes", 40, { description: "Asks two carriers at once for a quote" });
    const folder = mkdtempSync(join(tmpdir(), "vigil-app-"));
    const file = join(folder, "vigil.yaml");
    // JSON is YAML.
    const settings = {
      dataDir: join(folder, "state"),
      logLevel: "silent",
      server: { port: 0 },
      knowledge: { folders: [], catalog: emptyFile(folder) },
      flags: { kind: "unleash", url, token, project, environment },
      deploys: { kind: "gitops", repository: `file://${bareRepository().bare}` },
      changes: { pollSeconds: 5 },
      webhooks: { changes: { token: "changes-come-in" } },
    };
    writeFileSync(file, JSON.stringify(settings));
    const app = await startApp(loadConfig({ VIGIL_CONFIG: file }, folder));
    const telemetry = await openTelemetryStore(join(folder, "state/telemetry.db"));
    const state = await openStateDatabase(join(folder, "state/vigil.db"));
    try {
      await app.ready;
      const told = async (subject: string, kind: "flag" | "deploy" | "config") => {
        const range = { from: Date.now() - 3_600_000, to: Date.now() + 60_000 };
        const all = await telemetry.changes({ ...range, kinds: [kind] });
        return all.filter((one) => one.subject === subject).map(({ after }) => after);
      };
      expect(await told("express-quotes", "flag")).toContain("40% on");
      expect(await told("checkout", "deploy")).toContain("1.4.1");

      const answer = await fetch(`${app.url}/v1/changes`, {
        method: "POST",
        headers: { authorization: "Bearer changes-come-in" },
        body: JSON.stringify({ kind: "config", subject: "till", after: "32 threads", context: "Peak season needs a wider pool" }),
      });
      expect(answer.status).toBe(200);
      expect(await told("till", "config")).toEqual(["32 threads"]);

      await provider().setPercent("express-quotes", 5, write());
      await expect.poll(() => told("express-quotes", "flag"), { interval: 250 }).toContain("5% on");
      const documents = (await new KnowledgeRepository(state).documents()).map(({ body }) => body).join("\n");
      for (const words of ["Asks two carriers at once", "Peak season needs a wider pool", "checkout 1.4.1"]) {
        expect(documents).toContain(words);
      }
    } finally {
      telemetry.close();
      await state.destroy();
      await app.close();
    }
  });
});

const nowhere = { token: "t", project: "default", environment: "production" };
survivalContract("Unleash", (url, timeout) => new Unleash({ url, ...nowhere, timeout }).list());
survivalContract("Unleash", (url, timeout) => new Unleash({ url, ...nowhere, timeout }).check());

describe("the events of a real Unleash", () => {
  it("are told once, with who, before, after and the flag's description", async () => {
    await server.createFlag("told", 28, { description: "Reads products under the new key layout" });
    const { taken, watching } = memoryWatching<number>();
    const { url, adminToken: token, project, environment } = server;
    const servicesOf = (flag: string) => (flag === "told" ? ["catalog"] : []);
    const watcher = watchUnleash({ ...watching, url, token, project, environment, servicesOf });
    await watcher.look();
    expect(taken.some(({ subject, after }) => subject === "told" && after === "28% on")).toBe(true);
    taken.length = 0;
    await provider().setPercent("told", 1, write());
    await server.admin("POST", `projects/${project}/features/told/environments/${environment}/off`);
    await watcher.look();
    await watcher.look();
    expect(taken).toMatchObject([
      { kind: "flag", subject: "told", before: "28% on", after: "1% on", services: ["catalog"], environment, source: "unleash" },
      { before: "on", after: "off" },
    ]);
    expect(Math.abs((taken[0]?.at ?? 0) - Date.now())).toBeLessThan(20_000);
  });
});
