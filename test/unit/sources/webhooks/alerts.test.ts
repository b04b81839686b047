import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { webhookServer } from "../../../support/webhook-server.ts";

const scheme = [{ kind: "bearer", token: "let-me-in" }] as const;
const authorization = "Bearer let-me-in";
const T = "2026-03-01T02:47:00Z";

let server: Awaited<ReturnType<typeof webhookServer>>;
beforeAll(async () => {
  server = await webhookServer({ alertmanager: scheme, grafana: scheme, pagerduty: scheme, generic: scheme });
});
afterAll(() => server.close());

const send = async (path: string, body: unknown) => {
  server.received.length = 0;
  const answer = await server.post(path, body, { authorization });
  return { ...answer, alerts: [...server.received] };
};

describe("alerts in", () => {
  it("reads Alertmanager's body and takes a repeated notification once", async () => {
    const alert = {
      status: "firing",
      labels: { alertname: "HighErrorRate", service: "parcel", severity: "page", job: "node" },
      annotations: { summary: "5 % of requests fail", description: "long" },
      startsAt: T,
      endsAt: "0001-01-01T00:00:00Z",
      generatorURL: "http://prometheus:9090/graph?g0.expr=up",
      fingerprint: "9f1c3a5b7d2e4f60",
    };
    const body = { version: "4", groupKey: "{}:{}", truncatedAlerts: 0, status: "firing", receiver: "vigil", alerts: [alert] };
    const first = await send("/v1/alerts/alertmanager", body);
    expect(first).toMatchObject({ status: 200, body: { taken: 1 } });
    expect(first.alerts).toEqual([
      {
        source: "alertmanager",
        fingerprint: "9f1c3a5b7d2e4f60",
        state: "firing",
        title: "HighErrorRate",
        summary: "5 % of requests fail",
        service: "parcel",
        severity: "critical",
        labels: alert.labels,
        startsAt: Date.parse(T),
        endsAt: null,
        link: "http://prometheus:9090/graph?g0.expr=up",
      },
    ]);
    expect((await send("/v1/alerts/alertmanager", body)).body).toEqual({ taken: 0 });
    const over = { ...body, status: "resolved", alerts: [{ ...alert, status: "resolved", endsAt: "2026-03-01T03:00:00Z" }] };
    expect((await send("/v1/alerts/alertmanager", over)).body).toEqual({ taken: 1 });
    expect((await send("/v1/alerts/alertmanager", over)).body).toEqual({ taken: 0 });
    // Told late and out of order: it is over, and stays over.
    expect((await send("/v1/alerts/alertmanager", body)).body).toEqual({ taken: 0 });
    expect(await server.alertStore.firing()).toEqual([]);
  });

  it("reads Grafana's body, and leads to its panel", async () => {
    const { alerts, status } = await send("/v1/alerts/grafana", {
      receiver: "vigil",
      status: "firing",
      orgId: 1,
      state: "alerting",
      title: "[FIRING:1]",
      message: "…",
      alerts: [
        {
          status: "firing",
          labels: { alertname: "Slow checkout", grafana_folder: "shop", job: "parcel" },
          annotations: {},
          startsAt: "2026-03-01T03:47:00+01:00",
          endsAt: "0001-01-01T00:00:00Z",
          values: { B: 1.2 },
          fingerprint: "abc",
          silenceURL: "http://grafana/silence",
          dashboardURL: "http://grafana/d/1",
          panelURL: "http://grafana/d/1?viewPanel=2",
        },
      ],
    });
    expect(status).toBe(200);
    expect(alerts[0]).toMatchObject({
      service: "parcel",
      severity: "warning",
      startsAt: Date.parse(T),
      link: "http://grafana/d/1",
    });
  });

  it("reads PagerDuty's v3 events, each delivery once, from trigger to reopening", async () => {
    const event = (id: string, type: string, at: string) => ({
      event: {
        id,
        event_type: `incident.${type}`,
        resource_type: "incident",
        occurred_at: at,
        agent: null,
        client: null,
        data: {
          id: "PGR0VU2",
          type: "incident",
          self: "https://api.pagerduty.com/incidents/PGR0VU2",
          html_url: "https://acme.pagerduty.com/incidents/PGR0VU2",
          number: 2,
          status: "triggered",
          title: "Parcel is down",
          created_at: T,
          service: { id: "PF9KMXH", summary: "parcel", type: "service_reference" },
          urgency: "high",
        },
      },
    });
    const path = "/v1/alerts/pagerduty";
    const triggered = await send(path, event("01A", "triggered", T));
    expect(triggered.alerts[0]).toMatchObject({
      fingerprint: "PGR0VU2",
      state: "firing",
      service: "parcel",
      severity: "critical",
      startsAt: Date.parse(T),
      link: "https://acme.pagerduty.com/incidents/PGR0VU2",
    });
    expect((await send(path, event("01A", "triggered", T))).body).toEqual({ taken: 0, ignored: "was taken before" });
    expect((await send(path, event("01B", "acknowledged", T))).body).toEqual({
      taken: 0,
      ignored: "incident.acknowledged is not an alert",
    });
    expect((await send(path, event("01C", "resolved", "2026-03-01T03:00:00Z"))).body).toEqual({ taken: 1 });
    expect((await send(path, event("01D", "reopened", "2026-03-01T03:05:00Z"))).body).toEqual({ taken: 1 });
    expect((await server.alertStore.firing()).map(({ fingerprint }) => fingerprint)).toContain("PGR0VU2");
    expect((await send(path, event("01E", "resolved", "2026-03-01T03:10:00Z"))).body).toEqual({ taken: 1 });
    expect((await send(path, { event: { id: "x" } })).body.error).toMatch(/^event\.event_type: /);
  });

  it("takes any system's alert as plain JSON, known by its words when it has no id", async () => {
    const plain = { title: "Disk full", service: "parcel", severity: "P1", labels: { disk: "/dev/sda1", usage: 97 } };
    const first = await send("/v1/alerts/generic", plain);
    expect(first.alerts[0]).toMatchObject({ severity: "critical", labels: { disk: "/dev/sda1", usage: "97" } });
    expect(first.body).toEqual({ taken: 1 });
    expect((await send("/v1/alerts/generic", plain)).body).toEqual({ taken: 0 });
    expect((await send("/v1/alerts/generic", { ...plain, state: "resolved" })).body).toEqual({ taken: 1 });
    const many = Array.from({ length: 500 }, (_, at) => ({ id: `n-${at}`, title: "Full" }));
    expect((await send("/v1/alerts/generic", { alerts: many })).body).toEqual({ taken: 500 });
  });

  it("cleans what others wrote: secrets, control characters, and links that are none", async () => {
    const { alerts } = await send("/v1/alerts/generic", {
      title: "Login\u202e failed\nfor password=hunter2hunter2",
      summary: "x".repeat(9_000),
      link: "javascript:alert(1)",
    });
    expect(alerts[0]?.title).not.toMatch(/hunter2|\u202e|\n/);
    expect(alerts[0]?.summary.length).toBeLessThanOrEqual(510);
    expect(alerts[0]?.link).toBeNull();
  });
});
