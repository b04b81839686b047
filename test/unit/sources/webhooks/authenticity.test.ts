import { createHmac } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { webhookServer } from "../../../support/webhook-server.ts";

const SECRET = "a-long-shared-secret";
const hmac = (text: string, secret = SECRET) => createHmac("sha256", secret).update(text).digest("hex");
const change = JSON.stringify({ kind: "config", subject: "timeouts" });
const seconds = (offset = 0) => String(Math.floor(Date.now() / 1_000) + offset);

let open: Awaited<ReturnType<typeof webhookServer>> | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});
const server = async (...args: Parameters<typeof webhookServer>) => {
  open = await webhookServer(...args);
  return open;
};

describe("who may call a webhook", () => {
  it("nobody, while no secret is configured, and the answer names the key to set", async () => {
    const { post, changes } = await server({});
    for (const [path, key] of [
      ["/v1/alerts/alertmanager", "alertmanager"],
      ["/v1/alerts/grafana", "grafana"],
      ["/v1/alerts/pagerduty", "pagerduty"],
      ["/v1/alerts/generic", "generic"],
      ["/v1/changes", "changes"],
      ["/v1/changes/github", "github"],
      ["/v1/changes/gitlab", "gitlab"],
      ["/v1/changes/argocd", "argocd"],
      ["/v1/changes/unleash", "unleash"],
    ] as const) {
      const answer = await post(path, change, { authorization: "Bearer anything" });
      expect(answer, path).toMatchObject({ status: 401 });
      expect(answer.body.error).toContain(`webhooks.${key} has no token or secret`);
    }
    expect(await changes()).toEqual([]);
  });

  it("a bearer token: the right one, and no other", async () => {
    const { post } = await server({ changes: [{ kind: "bearer", token: SECRET }] });
    expect(await post("/v1/changes", change, { authorization: `Bearer ${SECRET}` })).toMatchObject({ status: 200 });
    for (const authorization of [`Bearer ${SECRET}x`, "Bearer ", SECRET, `Basic ${SECRET}`]) {
      expect((await post("/v1/changes", change, { authorization })).status, authorization).toBe(401);
    }
    expect((await post("/v1/changes", change)).status).toBe(401);
  });

  it("an HMAC over the body: one byte changed and it is refused; either of two secrets while one replaces the other", async () => {
    const { post } = await server({
      pagerduty: [{ kind: "hmac", header: "X-PagerDuty-Signature", prefix: "v1=", secret: SECRET }],
    });
    const body = JSON.stringify({ event: { id: "e", event_type: "pagey.ping", occurred_at: "2026-03-01T02:47:00Z" } });
    const header = "x-pagerduty-signature";
    expect((await post("/v1/alerts/pagerduty", body, { [header]: `v1=${hmac(body)}` })).status).toBe(200);
    expect((await post("/v1/alerts/pagerduty", body, { [header]: `v1=${hmac(body, "old")},v1=${hmac(body)}` })).status).toBe(200);
    expect((await post("/v1/alerts/pagerduty", `${body} `, { [header]: `v1=${hmac(body)}` })).status).toBe(401);
    expect((await post("/v1/alerts/pagerduty", body, { [header]: hmac(body) })).status).toBe(401);
    expect((await post("/v1/alerts/pagerduty", body)).status).toBe(401);
  });

  it("a signature with a time in it cannot be sent again later", async () => {
    const { post } = await server({
      grafana: [
        {
          kind: "hmac",
          header: "X-Grafana-Alerting-Signature",
          secret: SECRET,
          timestampHeader: "X-Grafana-Alerting-Timestamp",
        },
      ],
    });
    const body = '{"alerts":[]}';
    const signed = (at: string) => ({
      "x-grafana-alerting-timestamp": at,
      "x-grafana-alerting-signature": hmac(`${at}:${body}`),
    });
    expect((await post("/v1/alerts/grafana", body, signed(seconds()))).status).toBe(200);
    expect((await post("/v1/alerts/grafana", body, signed(seconds(-301)))).status).toBe(401);
    expect((await post("/v1/alerts/grafana", body, signed(seconds(301)))).status).toBe(401);
    expect((await post("/v1/alerts/grafana", body, signed("soon"))).status).toBe(401);
    const moved = { ...signed(seconds(-301)), "x-grafana-alerting-timestamp": seconds() };
    expect((await post("/v1/alerts/grafana", body, moved)).status).toBe(401);
  });

  it("GitLab's token header, and base64 where a sender signs so", async () => {
    const { post } = await server({
      gitlab: [{ kind: "header", header: "X-Gitlab-Token", token: SECRET }],
      generic: [{ kind: "hmac", header: "X-Signature", secret: SECRET, encoding: "base64" }],
    });
    const push = { object_kind: "push" };
    expect((await post("/v1/changes/gitlab", push, { "x-gitlab-token": SECRET })).status).toBe(200);
    expect((await post("/v1/changes/gitlab", push, { "x-gitlab-token": "guess" })).status).toBe(401);
    const body = JSON.stringify({ title: "disk full" });
    const signature = createHmac("sha256", SECRET).update(body).digest("base64");
    expect((await post("/v1/alerts/generic", body, { "x-signature": signature })).status).toBe(200);
  });

  it("what is not JSON, too large, of another shape or method is refused in words; a full disk asks to try again", async () => {
    const { post, url, broken } = await server({
      changes: [{ kind: "bearer", token: SECRET }],
      generic: [{ kind: "bearer", token: SECRET }],
    });
    const authorization = `Bearer ${SECRET}`;
    expect(await post("/v1/changes", "{oops", { authorization })).toMatchObject({ status: 400 });
    expect((await post("/v1/changes", { kind: "flags", subject: "x" }, { authorization })).body.error).toMatch(/^kind: /);
    expect((await post("/v1/changes", { kind: "flag" }, { authorization })).body.error).toMatch(/^subject: /);
    expect((await post("/v1/changes", { kind: "flag", subject: "x", sbject: 1 }, { authorization })).body.error).toContain(
      "sbject",
    );
    const late = await post(
      "/v1/alerts/generic",
      { alerts: [{ title: "a" }, { title: "b", startsAt: "yesterday" }] },
      { authorization },
    );
    expect(late.body.error).toBe("alerts.1.startsAt: must be a time, for instance 2026-03-01T02:47:00Z");
    expect((await post("/v1/changes", `"${"x".repeat(200_000)}"`, { authorization })).status).toBe(413);
    const got = await fetch(`${url}/v1/changes`, { headers: { authorization } });
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
    broken.now = true;
    const failed = await fetch(`${url}/v1/alerts/generic`, {
      method: "POST",
      headers: { authorization },
      body: JSON.stringify({ title: "disk full" }),
    });
    expect([failed.status, failed.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await failed.json()).toEqual({ error: "it could not be stored; try again" });
  });
});
