import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lackingForSlack } from "../../src/config/chat.ts";
import { environment } from "../../src/config/environment.ts";
import { ConfigError, loadConfig, schema } from "../../src/config.ts";
import { exampleOf } from "../../src/install/example.ts";
import { openStores } from "../../src/stores.ts";

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
    ["slack:\n  chanel: C1\n", 'slack: there is no key "chanel" here; did you mean channel?'],
    ["sever: 1\n", '(top level): there is no key "sever" here; did you mean server?'],
    ["worth:\n  euros: 1\n", 'no key "euros" here; there are minutesSavedPerAcceptedInvestigation, dollarsPerEngineerHour'],
    ["actions:\n  approvalSeconds: soon\n", 'actions.approvalSeconds or VIGIL_APPROVAL_SECONDS (is "soon"): must be a number'],
  ])("names a misspelt key without what else is in its section: %j", (text, expected) => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), text);
    try {
      loadConfig({ SLACK_BOT_TOKEN: "xoxb-hunter2" }, at);
      expect.unreachable();
    } catch (error) {
      expect(String(error)).toContain(expected);
      expect(String(error)).not.toContain("hunter2");
    }
  });

  it.each<[Parameters<typeof loadConfig>[0], string[] | null]>([
    [{}, null],
    [{ SLACK_BOT_TOKEN: "xoxb-1", SLACK_APP_TOKEN: "xapp-1", SLACK_CHANNEL: "C1" }, null],
    [{ SLACK_BOT_TOKEN: "xoxb-1", SLACK_SIGNING_SECRET: "12345678", SLACK_CHANNEL: "C1" }, null],
    [
      { SLACK_BOT_TOKEN: "xoxb-1" },
      ["slack.channel", "slack.appToken (SLACK_APP_TOKEN) for Socket Mode, or slack.signingSecret"],
    ],
    [{ SLACK_APP_TOKEN: "xapp-1", SLACK_CHANNEL: "C1" }, ["slack.botToken (SLACK_BOT_TOKEN)"]],
  ])("knows what Slack lacks with %o", (env, lacking) => {
    const found = lackingForSlack(loadConfig(env, folder()).slack);
    expect(found?.length ?? 0).toBe(lacking?.length ?? 0);
    for (const [index, words] of (lacking ?? []).entries()) expect(found?.[index]).toContain(words);
  });

  it.each([
    ["port: 1\n", '(top level): there is no key "port" here; did you mean server.port or teams.port?'],
    ["learning:\n  qqqqq: 1\n", 'learning: there is no key "qqqqq" here; there are enabled'],
    ["learning:\n  enabled: maybe\n", 'learning.enabled or VIGIL_LEARNING (is "maybe"): must be true or false'],
    ["slack:\n  channel: '#incidents'\n", "must be the channel's id"],
  ])("says what to write instead: %j", (text, expected) => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), text);
    expect(() => loadConfig({}, at)).toThrow(expected);
  });

  it("takes a key without a value as not set, and VIGIL_PORT of a Kubernetes service link as none of ours", () => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), "slack:\n#  channel: C1\nmetrics:\n  url:\n");
    expect(loadConfig({ VIGIL_PORT: "tcp://10.96.0.12:3978" }, at)).toEqual(schema.parse({}));
  });

  it("takes a header of Vigil's own traces from the environment, as every header", () => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), "observability:\n  tracesHeaders:\n    authorization: { env: COLLECTOR }\n");
    expect(loadConfig({ COLLECTOR: "Bearer 1" }, at).observability.tracesHeaders).toEqual({ authorization: "Bearer 1" });
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

describe("vigil.example.yaml", () => {
  const text = readFileSync(new URL("../../vigil.example.yaml", import.meta.url), "utf8");

  it("says what the schema says; after a change of the configuration run: npm run example", () => {
    expect(text).toBe(exampleOf(schema, schema.parse({}), environment));
  });

  it("shows the true defaults: taking every # away from a key with a value changes nothing", () => {
    const kept: string[] = [];
    // A key above is kept when something below it has a value.
    for (const line of text.split("\n").reverse()) {
      const [, indent, value] = /^#( *)[A-Za-z]\w*:(?: ([^#\s].*?))?(?: {2}# .*)?$/.exec(line) ?? [];
      if (indent === undefined) continue;
      const below = kept.at(-1);
      const deeper = below !== undefined && (/^ */.exec(below)?.[0].length ?? 0) > indent.length;
      if (value !== undefined || deeper) kept.push(line.slice(1));
    }
    expect(kept.length).toBeGreaterThan(60);
    const [nothing, everything] = [folder(), folder()];
    writeFileSync(join(nothing, "vigil.yaml"), "");
    writeFileSync(join(everything, "vigil.yaml"), kept.reverse().join("\n"));
    expect(loadConfig({}, everything)).toEqual(loadConfig({}, nothing));
  });
});

describe("secrets", () => {
  it("come from a file that an environment variable names", () => {
    const at = folder();
    writeFileSync(join(at, "token"), "xoxb-from-a-file\n");
    expect(loadConfig({ SLACK_BOT_TOKEN_FILE: join(at, "token") }, at).slack.botToken).toBe("xoxb-from-a-file");
    expect(loadConfig({ SLACK_BOT_TOKEN_FILE: "token", SLACK_BOT_TOKEN: "xoxb-wins" }, at).slack.botToken).toBe("xoxb-wins");
  });

  it("come from a file or a variable that vigil.yaml names, also within lists", () => {
    const at = folder();
    writeFileSync(join(at, "token"), "of-the-file");
    const sources = "[{kind: git, name: docs, url: 'https://git.example/docs', token: {file: token}}]";
    writeFileSync(join(at, "vigil.yaml"), `flags: {kind: launchdarkly, token: {env: LD}}\nknowledge: {sources: ${sources}}\n`);
    const config = loadConfig({ LD: "of-the-variable" }, at);
    expect(config.flags.token).toBe("of-the-variable");
    expect(config.knowledge.sources[0]).toMatchObject({ token: "of-the-file" });
    expect(() => loadConfig({}, at)).toThrow(/flags\.token takes its value from LD, which is not set/);
  });

  it.each([
    ["missing", null],
    ["empty", ""],
  ])("say which file is %s", (_name, text) => {
    const at = folder();
    if (text !== null) writeFileSync(join(at, "token"), text);
    expect(() => loadConfig({ VIGIL_FLAGS_TOKEN_FILE: join(at, "token") }, at)).toThrow(/VIGIL_FLAGS_TOKEN_FILE names .*token/);
  });
});

describe("targets", () => {
  it.each([
    ["flags: {kind: unleash, url: 'https://flags.example'}", "flags.token or VIGIL_FLAGS_TOKEN: is needed when kind is unleash"],
    ["deploys: {kind: argocd, token: x}", "deploys.url: is needed when kind is argocd"],
    ["deploys: {repository: ., file: environments/all.yaml}", "deploys.file"],
    [
      "changes: {github: {repositories: [shop/ops]}}",
      "changes.github.token or VIGIL_GITHUB_TOKEN: is needed to read deployments",
    ],
    [
      "knowledge: {sources: [{kind: folder, name: a, path: x}, {kind: folder, name: a, path: y}]}",
      "a is taken by another source",
    ],
  ])("%s names what is missing", (text, expected) => {
    const at = folder();
    writeFileSync(join(at, "vigil.yaml"), text);
    expect(() => loadConfig({}, at)).toThrow(expected);
  });
});

it("says which folder cannot hold the state, and what to set", async () => {
  const file = join(folder(), "a-file");
  writeFileSync(file, "");
  await expect(openStores(loadConfig({ VIGIL_DATA_DIR: join(file, "state") }, folder()))).rejects.toThrow(
    /^The state folder .*a-file\/state cannot be made or written \(ENOTDIR.*Set dataDir \(VIGIL_DATA_DIR\)/,
  );
});

it("a state that is no database is told with its file and what to do", async () => {
  const at = folder();
  writeFileSync(join(at, "vigil.db"), "a text that somebody left here".repeat(10));
  await expect(openStores(loadConfig({ VIGIL_DATA_DIR: at }, folder()))).rejects.toThrow(
    /vigil\.db cannot be opened \(file is not a database\)\. Restore it/,
  );
});

it("a database that nobody serves is told without its password", async () => {
  const env = {
    VIGIL_DATA_DIR: folder(),
    VIGIL_STATE_URL: "postgres://u:hunter2@127.0.0.1:1/x",
    VIGIL_APPROVAL_KEY: "0".repeat(64),
  };
  const opening = openStores(loadConfig(env, folder()));
  await expect(opening).rejects.toThrow(/postgres:\/\/u:\*\*\*@127\.0\.0\.1:1\/x cannot be opened.*correct state\.url/);
});
