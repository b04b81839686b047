import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StubServer, stubServer } from "../../support/stub-server.ts";

interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "fault";
  readonly detail: string;
}

/** Runs the real command; this process goes on answering as the systems that it asks. */
async function doctor(config: object, args: string[] = []): Promise<{ code: number | null; out: string }> {
  const folder = mkdtempSync(join(tmpdir(), "vigil-doctor-"));
  const catalog = join(folder, "catalog.yaml");
  writeFileSync(catalog, "");
  const settings = { server: { port: 1 }, knowledge: { folders: [], catalog }, ...config };
  writeFileSync(join(folder, "vigil.yaml"), JSON.stringify(settings));
  const cli = resolve(import.meta.dirname, "../../../src/cli.ts");
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), cli, "doctor", ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, VIGIL_FLAGS_TOKEN: "flags-token" },
  });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  const code = await new Promise<number | null>((done) => child.on("close", done));
  return { code, out };
}

describe("vigil doctor, asking configured systems", { timeout: 60_000 }, () => {
  let broken: StubServer;
  beforeAll(async () => {
    broken = await stubServer(() => ({ status: 500, body: { message: "the disk is full" } }));
  });
  afterAll(() => broken.close());

  it("prints a line for each, with what is wrong and what to do, and ends with 1", async () => {
    const url = broken.url;
    const { code, out } = await doctor({
      flags: { kind: "unleash", url },
      deploys: { kind: "argocd", url, token: "argo-token" },
      kubernetes: { namespace: "shop", kubeconfig: "/nowhere/config" },
      metrics: { kind: "prometheus", url },
      knowledge: {
        folders: [],
        sources: [
          { kind: "github-issues", name: "incidents", repository: "shop/ops", token: "t", apiUrl: url },
          { kind: "notion", name: "wiki", path: "/nowhere.zip" },
        ],
      },
    });
    expect(code).toBe(1);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    const faults = findings.filter(({ state }) => state === "fault").map(({ check, detail }) => `${check}: ${detail}`);
    expect(faults).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^metrics: Prometheus.*500/),
        expect.stringMatching(/^flags: Unleash failed \(500.*the disk is full/),
        expect.stringMatching(/^deploys: Argo CD failed \(500/),
        expect.stringMatching(/^workloads: .*kubernetes\.kubeconfig/),
        expect.stringMatching(/^knowledge: GitHub failed \(500/),
        expect.stringMatching(/^knowledge: .*nowhere\.zip.*knowledge\.sources/),
      ]),
    );
    expect(faults).toHaveLength(6);
  });

  it("asks only: every request is a GET", () => {
    expect(broken.requests.length).toBeGreaterThan(3);
    expect(broken.requests.filter(({ method }) => method !== "GET")).toEqual([]);
  });
});
