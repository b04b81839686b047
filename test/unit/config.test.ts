import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError, loadConfig } from "../../src/config.ts";

const folder = () => mkdtempSync(join(tmpdir(), "vigil-config-"));

describe("configuration", () => {
  it("runs the demo on loopback when a newcomer has written nothing", () => {
    const config = loadConfig({}, folder());
    expect(config).toMatchObject({
      dataDir: ".vigil",
      server: { host: "127.0.0.1", port: 3978 },
      demo: { enabled: true, speed: 60 },
    });
  });

  it("leaves the demo off when there is a file that does not ask for it", () => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), "server:\n  port: 8080\n");
    expect(loadConfig({}, at)).toMatchObject({ server: { port: 8080 }, demo: { enabled: false } });
  });

  it("lets the environment win over the file", () => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), "server:\n  port: 8080\n");
    expect(loadConfig({ VIGIL_PORT: "9000", VIGIL_DEMO: "on" }, at)).toMatchObject({
      server: { port: 9000 },
      demo: { enabled: true },
    });
  });

  it.each([
    [{ VIGIL_PORT: "eighty" }, 'server.port or VIGIL_PORT (is "eighty")'],
    [{ VIGIL_PORT: "70000" }, "server.port"],
    [{ VIGIL_DEMO_SCENARIO: "mayhem" }, "demo.scenario"],
    [{ OPENAI_BASE_URL: "file:///etc/passwd" }, "model.baseUrl"],
    [{ VIGIL_DEMO_SPEED: "0" }, "demo.speed"],
  ])("names the key, the value and what is expected for %o", (env, expected) => {
    expect(() => loadConfig(env, folder())).toThrow(expected);
  });

  it("never prints a secret", () => {
    try {
      loadConfig({ SLACK_BOT_TOKEN: "hunter2-secret" }, folder());
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(String(error)).toContain("slack.botToken or SLACK_BOT_TOKEN (value hidden)");
      expect(String(error)).not.toContain("hunter2");
    }
  });

  it.each([
    ["server: [1, 2\n", "not valid YAML"],
    ["- a\n- b\n", "keys and values"],
    ["sever:\n  port: 1\n", "sever"],
  ])("refuses a file that cannot be meant: %j", (text, expected) => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), text);
    expect(() => loadConfig({}, at)).toThrow(expected);
  });

  it("says so when VIGIL_CONFIG names a file that is not there", () => {
    expect(() => loadConfig({ VIGIL_CONFIG: "elsewhere.yaml" }, folder())).toThrow(/elsewhere\.yaml, which does not exist/);
  });
});
