import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { questions, yamlFor } from "../../../src/install/questions.ts";

const cli = resolve(import.meta.dirname, "../../../src/cli.ts");
function vigil(folder: string, args: string[], input: string) {
  const env = { PATH: process.env.PATH, HOME: folder };
  const loader = import.meta.resolve("tsx");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", loader, cli, ...args], {
    cwd: folder,
    env,
    input,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("vigil init", { timeout: 60_000 }, () => {
  it("writes from a pipe what was answered, for its owner only, names the secrets' variables, and never writes over a file", () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-init-"));
    const answers = [
      "prometheus",
      "http://prom.example:9090",
      "",
      "",
      "unleash",
      "http://flags.example",
      "shop",
      "",
      "kubernetes",
      "shop",
      "",
    ];
    const run = vigil(folder, ["init"], [...answers, "C0123456789", "U0123456789, U0000000001", "openai", ""].join("\n"));
    expect(run.stderr).not.toMatch(/vigil:/);
    const file = join(folder, "vigil.yaml");
    expect(JSON.parse(run.stdout)).toEqual({
      file,
      secrets: ["VIGIL_FLAGS_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "OPENAI_API_KEY"],
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const secrets = { VIGIL_FLAGS_TOKEN: "t", SLACK_BOT_TOKEN: "xoxb-1" };
    expect(loadConfig(secrets, folder)).toMatchObject({
      metrics: { kind: "prometheus", url: "http://prom.example:9090" },
      flags: { kind: "unleash", url: "http://flags.example", project: "shop", environment: "production" },
      deploys: { kind: "kubernetes" },
      kubernetes: { namespace: "shop" },
      slack: { channel: "C0123456789", approvers: ["U0123456789", "U0000000001"] },
      model: { name: "gpt-5-mini" },
    });
    const before = readFileSync(file, "utf8");
    const again = vigil(folder, ["init"], "");
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining("--force") });
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  it("makes of nothing but returns a configuration without secrets that runs", () => {
    const answers = Object.fromEntries(
      questions.filter(({ key }) => key !== "repository").map(({ key, offered }) => [key, offered]),
    );
    expect(yamlFor(answers)).toEqual({ config: { knowledge: { folders: [] } }, secrets: [] });
  });

  it("refuses answers that cannot be meant", () => {
    const fault = (key: string, answer: string) => questions.find((one) => one.key === key)?.fault(answer);
    expect(fault("metricsUrl", "prom:9090")).toMatch(/must be an address/);
    expect(fault("flags", "optimizely")).toMatch(/one of none, flagd/);
    expect(fault("channel", "#incidents")).toMatch(/channel's id/);
    expect(fault("approvers", "maya")).toMatch(/user ids/);
    expect(fault("repository", "")).toMatch(/empty/);
  });
});
