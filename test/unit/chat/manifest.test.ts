import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const root = join(import.meta.dirname, "../../..");
const manifest = parse(readFileSync(join(root, "manifest.yml"), "utf8"));
const folder = join(root, "src/chat/slack");
const source = readdirSync(folder)
  .map((file) => readFileSync(join(folder, file), "utf8"))
  .join("\n");

const length = (text: string) => [...text].length;

/** Checked field by field against the limits of Slack's app manifest reference. */
describe("manifest.yml", () => {
  it("has exactly the fields that Slack knows, nothing else", () => {
    expect(Object.keys(manifest).sort()).toEqual(["_metadata", "display_information", "features", "oauth_config", "settings"]);
    expect(manifest._metadata).toEqual({ major_version: 2, minor_version: 1 });
    expect(Object.keys(manifest.features).sort()).toEqual(["agent_view", "app_home", "bot_user", "shortcuts", "slash_commands"]);
    expect(Object.keys(manifest.settings).sort()).toEqual([
      "event_subscriptions",
      "interactivity",
      "org_deploy_enabled",
      "socket_mode_enabled",
      "token_rotation_enabled",
    ]);
    expect(Object.keys(manifest.oauth_config)).toEqual(["scopes"]);
    expect(Object.keys(manifest.oauth_config.scopes)).toEqual(["bot"]);
  });

  it("describes the app within Slack's lengths", () => {
    const { name, description, long_description: long, background_color: colour } = manifest.display_information;
    expect(length(name)).toBeLessThanOrEqual(35);
    expect(length(description)).toBeLessThanOrEqual(140);
    expect(length(long)).toBeGreaterThanOrEqual(174);
    expect(length(long)).toBeLessThanOrEqual(4_000);
    expect(colour).toMatch(/^#[0-9a-f]{6}$/);
  });

  it("is an agent in the messages tab, with a home", () => {
    const { agent_view: agent, app_home: home, bot_user: bot, assistant_view: legacy } = manifest.features;
    expect(legacy).toBeUndefined();
    expect(length(agent.agent_description)).toBeLessThanOrEqual(300);
    for (const prompt of agent.suggested_prompts) expect(Object.keys(prompt)).toEqual(["title", "message"]);
    expect(home).toEqual({ home_tab_enabled: true, messages_tab_enabled: true, messages_tab_read_only_enabled: false });
    expect(bot).toEqual({ display_name: "Vigil", always_online: true });
  });

  it("offers the command and the shortcut that the code listens to", () => {
    const [command] = manifest.features.slash_commands;
    expect(Object.keys(command).sort()).toEqual(["command", "description", "should_escape", "usage_hint"]);
    expect(command.command).toBe("/vigil");
    expect(source).toContain('app.command("/vigil"');
    const [shortcut] = manifest.features.shortcuts;
    expect(shortcut).toMatchObject({ type: "message", name: "Investigate this" });
    expect(length(shortcut.name)).toBeLessThanOrEqual(24);
    expect(length(shortcut.description)).toBeLessThanOrEqual(150);
    expect(source).toContain(`app.shortcut("${shortcut.callback_id}"`);
  });

  it("subscribes to what the code listens to, and to nothing else", () => {
    const events: string[] = manifest.settings.event_subscriptions.bot_events;
    const heard = [...source.matchAll(/app\.event\("([a-z_]+)"/g)].map((match) => match[1] as string);
    expect([...new Set(events.map((event) => event.replace(/\..*/, "")))].sort()).toEqual([...new Set(heard)].sort());
  });

  it("asks for the least: each scope serves a call or an event of the code", () => {
    const needs: Readonly<Record<string, string | RegExp>> = {
      "app_mentions:read": 'app.event("app_mention"',
      "assistant:write": "agents.sessions",
      "channels:history": "conversations.history",
      "channels:read": "conversations.info",
      "chat:write": "chat.postMessage",
      commands: "app.command",
      "files:write": "files.uploadV2",
      "groups:history": "conversations.replies",
      "groups:read": "conversations.info",
      "im:history": 'channel_type === "im"',
      "reactions:read": 'app.event("reaction_added"',
      "usergroups:read": "usergroups.users.list",
      "users:read": "users.info",
    };
    expect([...manifest.oauth_config.scopes.bot].sort()).toEqual(Object.keys(needs).sort());
    for (const [scope, use] of Object.entries(needs)) expect(source, scope).toContain(use as string);
  });

  it("runs in Socket Mode, with buttons", () => {
    expect(manifest.settings).toMatchObject({
      socket_mode_enabled: true,
      interactivity: { is_enabled: true },
      org_deploy_enabled: false,
      token_rotation_enabled: false,
    });
  });
});
