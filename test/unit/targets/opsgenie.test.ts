import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Page } from "../../../src/domain/oncall.ts";
import { OpsgenieAlerts } from "../../../src/targets/pager/opsgenie.ts";
import { type StubAnswer, type StubRequest, type StubServer, stubServer } from "../../support/stub-server.ts";

type Json = Readonly<Record<string, unknown>>;

/** Opsgenie's `POST /v2/alerts` and `POST /v2/alerts/{alias}/close` as its alert API describes them. */
function answer({ method, path, query, headers, body }: StubRequest): StubAnswer {
  const refuse = (status: number, message: string) => ({ status, body: { message, took: 0.001, requestId: "r-0" } });
  if (headers.authorization !== "GenieKey key-1") return refuse(422, "Key format is not valid!");
  if (method !== "POST") return refuse(405, "Method not allowed");
  const accepted = { status: 202, body: { result: "Request will be processed", took: 0.302, requestId: "43a29c5c" } };
  if (path === "/v2/alerts") {
    const { message, alias, priority, responders = [] } = body as Json;
    if (typeof message !== "string" || message.length === 0 || message.length > 130)
      return refuse(422, "Message can not be empty");
    if (typeof alias !== "string" || alias.length > 512) return refuse(422, "Alias is not valid");
    if (!["P1", "P2", "P3", "P4", "P5"].includes(String(priority)))
      return refuse(422, "Priority should be one of [ P1, P2, P3, P4, P5 ]");
    if (!(responders as Json[]).every(({ type }) => type === "team")) return refuse(422, "Responder is not valid");
    return accepted;
  }
  if (/^\/v2\/alerts\/[^/]+\/close$/.test(path)) {
    if (query.get("identifierType") !== "alias") return refuse(422, "Identifier is not valid");
    return path.includes("gone") ? refuse(404, "Alert does not exist") : accepted;
  }
  return refuse(404, "Not found");
}

const page: Page = {
  key: "vigil/IN-7",
  incidentId: "IN-7",
  investigationId: "INV-9",
  summary: "checkout: one in ten payments fails",
  reason: `nobody took it up in 15 minutes ${"x".repeat(300)}`,
  severity: "critical",
  service: "checkout",
  details: { investigation: "INV-9" },
  at: Date.UTC(2026, 2, 4),
};

let stub: StubServer;
beforeEach(async () => {
  stub = await stubServer(answer);
});
afterEach(() => stub.close());
const pager = (more: object = {}) =>
  new OpsgenieAlerts({ apiKey: "key-1", url: stub.url, pageUrl: "https://vigil.example.org", teams: ["shop"], ...more });
const ada = { name: "Ada", schedule: "Shop", until: null, email: null, slackId: null, level: 1 };

describe("pages by Opsgenie (stub)", () => {
  it("makes one alert an incident, with a link, those on duty, and no more text than it takes", async () => {
    expect(await pager().page(page, [ada])).toBe("43a29c5c");
    expect(stub.requests[0]?.body).toMatchObject({
      message: expect.stringMatching(/^checkout: one in ten payments fails: nobody/),
      alias: "vigil/IN-7",
      priority: "P1",
      entity: "checkout",
      details: { investigation: "INV-9", on_call: "Ada" },
      responders: [{ name: "shop", type: "team" }],
      description: expect.stringContaining("https://vigil.example.org"),
    });
  });

  it("closes it by its alias, and is content when it is gone", async () => {
    await pager().resolve(page);
    expect(stub.requests[0]?.path).toBe("/v2/alerts/vigil%2FIN-7/close");
    await expect(pager().resolve({ ...page, key: "gone" })).resolves.toBeUndefined();
  });

  it("throws when it cannot be told that the alert arrived, and names the key", async () => {
    await expect(pager({ apiKey: "wrong" }).page(page, [])).rejects.toThrow(/Opsgenie refused .*422.*Key format is not valid/);
    stub.next.push({ status: 401 }, { status: 500 }, { status: 202, body: {} }, { body: "<html>" });
    await expect(pager().page(page, [])).rejects.toThrow(/401.*escalation\.opsgenie\.apiKey/);
    await expect(pager().page(page, [])).rejects.toThrow(/500/);
    await expect(pager().page(page, [])).rejects.toThrow(/did not confirm/);
    await expect(pager().page(page, [])).rejects.toThrow(/not JSON/);
  });
});
