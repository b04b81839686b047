import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { agentOptions, mcpServersOf, modelsOf, withMind } from "../../../src/wiring/minds.ts";

function configured(yaml: string, env: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "vigil-minds-"));
  writeFileSync(join(folder, "vigil.yaml"), yaml);
  return loadConfig(env, folder);
}

describe("minds from the configuration", () => {
  it("are none without a key or an endpoint: the offline reasoner", () => {
    expect(modelsOf(configured("logLevel: info"))).toEqual([]);
    expect(withMind("gpt-5-mini", configured("logLevel: info"))).toBeNull();
  });

  it("are the first and its fallbacks in their order, at the same endpoint unless they name one", () => {
    const config = configured(
      `model:
  name: gpt-5
  fallbacks:
    - name: gpt-5-mini
    - { name: llama3.1, baseUrl: "http://localhost:11434/v1", streaming: true, timeoutSeconds: 20 }
    - { name: gpt-4o, apiKey: azure-key, azure: { instance: ours, deployment: d4o, apiVersion: 2024-10-21 } }`,
      { OPENAI_API_KEY: "sk-first", OPENAI_BASE_URL: "https://gateway.example/v1" },
    );
    const at = "https://gateway.example/v1";
    expect(modelsOf(config)).toEqual([
      { name: "gpt-5", apiKey: "sk-first", baseUrl: at, streaming: false, timeout: 60_000 },
      { name: "gpt-5-mini", apiKey: "sk-first", baseUrl: at, streaming: false, timeout: 60_000 },
      { name: "llama3.1", baseUrl: "http://localhost:11434/v1", streaming: true, timeout: 20_000 },
      {
        name: "gpt-4o",
        apiKey: "azure-key",
        streaming: false,
        timeout: 60_000,
        azure: { instance: "ours", deployment: "d4o", apiVersion: "2024-10-21" },
      },
    ]);
    expect(withMind("llama3.1", config)?.models).toEqual([modelsOf(config)[2]]);
    expect(withMind("other", config)?.models?.[0]).toMatchObject({ name: "other", apiKey: "sk-first", baseUrl: at });
    expect(withMind("offline", config)?.models ?? []).toEqual([]);
  });

  it("carry budgets and dated prices, and a price without its date is refused", () => {
    const config = configured(`model:
  baseUrl: http://localhost:8000/v1
  maxDollarsPerDay: 5
  maxTokensPerInvestigation: 60000
  prices: { asOf: "2026-11-25", models: { own: { input: 0, output: 0 } } }`);
    expect(agentOptions(config)).toMatchObject({
      budget: { tokens: 60_000, dollars: 0.5, duration: 180_000, modelCalls: 20, toolCalls: 40 },
      daily: { dollars: 5, dollarsPerChannel: 10 },
      prices: { asOf: "2026-11-25", models: { own: { input: 0, output: 0 } }, fallback: { input: 2.5, output: 10 } },
    });
    expect(() => configured("model: { prices: { models: {} } }")).toThrow(/model\.prices\.asOf/);
  });

  it("name MCP servers by address or command, never both, and never without an allow-list", () => {
    const config = configured(`mcp: { servers: { wiki: { url: "https://wiki.example/mcp", allow: [look_up] } } }`);
    expect(mcpServersOf(config)).toEqual([
      { name: "wiki", at: { url: "https://wiki.example/mcp", headers: {} }, allow: ["look_up"], timeout: 15_000 },
    ]);
    expect(() => configured(`mcp: { servers: { wiki: { url: "https://w.example/mcp" } } }`)).toThrow(/mcp\.servers\.wiki\.allow/);
    expect(() => configured(`mcp: { servers: { wiki: { allow: [a] } } }`)).toThrow(/either a url or a command/);
  });
});
