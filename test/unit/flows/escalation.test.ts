import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import type { OnCallPerson, Pager } from "../../../src/domain/oncall.ts";
import { HOUR, MINUTE } from "../../../src/domain/time.ts";
import type { IncomingAlert } from "../../../src/flows/alert.ts";
import { Escalator } from "../../../src/flows/escalation.ts";
import { AlertRepository } from "../../../src/store/alerts.ts";
import { EscalationRepository } from "../../../src/store/escalations.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { PagerDutyEvents } from "../../../src/targets/pager/pagerduty.ts";
import { SlackMention } from "../../../src/targets/pager/slack-mention.ts";
import { report } from "../../support/domain-samples.ts";
import { FakeSlack } from "../../support/fake-slack.ts";
import { investigation } from "../../support/judged.ts";
import { RecordingChannel } from "../../support/recording-channel.ts";
import { stubPagerDuty } from "../../support/stub-pagerduty.ts";

const ada: OnCallPerson = { name: "Ada", schedule: "primary", until: null, email: null, slackId: "U0ADA", level: 1 };
const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function world(options: { pagers?: readonly Pager[]; mostAnHour?: number; people?: readonly OnCallPerson[] } = {}) {
  const db = await openStateDatabase(":memory:");
  const stub = await stubPagerDuty({ token: "t", routingKey: "key-1" });
  closers.push(stub.close, () => db.destroy());
  const alerts = new AlertRepository(db);
  const incidents = new InvestigationRepository(db);
  const escalations = new EscalationRepository(db);
  const channel = new RecordingChannel();
  const attended = new Set<string>();
  let now = Date.parse("2026-03-04T02:47:00Z");
  const pagerDuty = new PagerDutyEvents({ routingKey: "key-1", url: stub.url, pageUrl: "https://vigil.example.org" });
  const escalator = new Escalator({
    alerts,
    incidents,
    escalations,
    onCall: { onCall: async () => options.people ?? [ada] },
    pagers: options.pagers ?? [pagerDuty],
    attended: async (id) => attended.has(id),
    channel,
    goesOn: async ({ openedAt }) => now - openedAt >= 5 * MINUTE,
    now: () => now,
    log: pino({ level: "silent" }),
    options: { after: 15 * MINUTE, mostAnHour: options.mostAnHour ?? 6 },
  });
  return {
    stub,
    escalator,
    escalations,
    incidents,
    channel,
    attended,
    wait: (time: number) => {
      now += time;
    },
    /** An alert whose incident and investigation were opened. */
    fire: async (number: number, severity: IncomingAlert["severity"] = "critical") => {
      const alert: IncomingAlert = {
        source: "generic",
        fingerprint: `f-${number}`,
        state: "firing",
        title: "Checkout fails",
        summary: "<!channel> half of the requests",
        service: `shop-${number}`,
        severity,
        labels: {},
        startsAt: now,
        endsAt: null,
        link: null,
      };
      await alerts.receive([alert], now);
      const incident = {
        id: `IN-${number}`,
        state: "open" as const,
        openedAt: now,
        resolvedAt: null,
        services: [`shop-${number}`],
        anomalies: [],
        title: "Checkout fails",
      };
      await incidents.saveIncident(incident);
      await incidents.save({
        id: `INV-${number}`,
        incidentId: incident.id,
        trigger: "alert",
        question: null,
        anomalies: [],
        state: "done",
        startedAt: now,
        finishedAt: now,
        steps: [],
        report: null,
      });
      const links = { incidentId: incident.id, investigationId: `INV-${number}`, anomalyId: null };
      await alerts.settle([{ ...alert, receivedAt: now, ...links }]);
      return incident;
    },
  };
}

describe("an investigation that does not know", () => {
  it("calls those on duty once, with what was ruled out, when the trouble has gone on without any alert", async () => {
    const { stub, escalator, incidents, wait } = await world();
    const openedAt = Date.parse("2026-03-04T02:47:00Z");
    await incidents.saveIncident({
      id: "IN-9",
      state: "open",
      openedAt,
      resolvedAt: null,
      services: ["shelf"],
      anomalies: [],
      title: "shelf latency up",
    });
    const known = investigation("INV-9");
    const [flag, deploy, pool] = known.report?.hypotheses ?? [];
    const doubtful = {
      ...known,
      incidentId: "IN-9",
      report: {
        ...report(),
        outcome: "unknown" as const,
        confidence: 0.31,
        hypotheses: [flag!, { ...deploy!, status: "refuted" as const }, pool!],
      },
    };
    await escalator.unsure(doubtful);
    expect(stub.events).toEqual([]);
    wait(6 * MINUTE);
    await escalator.unsure({ ...doubtful, report: report() });
    expect(stub.events).toEqual([]);
    await escalator.unsure(doubtful);
    await escalator.unsure(doubtful);
    expect(stub.events).toHaveLength(1);
    expect(stub.events[0]).toMatchObject({
      payload: {
        summary: expect.stringMatching(/31 % for the best guess.*ruled out: deploy shelf.*still possible: flag new-layout/),
      },
    });
  });
});

describe("escalation", () => {
  it("pages once when a critical alert stays unattended, and closes the page with the incident (PagerDuty stub)", async () => {
    const { stub, escalator, escalations, incidents, channel, wait, fire } = await world();
    const incident = await fire(1);
    await fire(2, "warning");
    wait(14 * MINUTE);
    await escalator.check();
    expect(stub.events).toEqual([]);
    wait(MINUTE);
    await escalator.check();
    await escalator.check();
    expect(stub.events).toHaveLength(1);
    const [event] = stub.events;
    expect(event).toMatchObject({
      routing_key: "key-1",
      event_action: "trigger",
      dedup_key: expect.stringMatching(/^vigil-IN-1-/),
      payload: {
        summary: "Checkout fails on shop-1: critical for 15 minutes and nobody has taken it up",
        source: "shop-1",
        severity: "critical",
        timestamp: "2026-03-04T03:02:00.000Z",
        component: "shop-1",
        custom_details: { incident: "IN-1", investigation: "INV-1", on_call: "Ada" },
      },
      client: "Vigil",
      client_url: "https://vigil.example.org",
    });
    expect(channel.told).toEqual([
      {
        investigationId: "INV-1",
        text: "Escalated by PagerDuty: critical for 15 minutes and nobody has taken it up. On call for shop-1: Ada (primary).",
      },
    ]);
    expect(await escalations.of("IN-1")).toMatchObject([
      { state: "sent", requester: "vigil", people: ["Ada"], outcome: event?.dedup_key, attempts: 1 },
    ]);

    await incidents.saveIncident({ ...incident, state: "resolved", resolvedAt: incident.openedAt });
    await escalator.check();
    await escalator.check();
    expect(stub.events.slice(1)).toEqual([{ routing_key: "key-1", event_action: "resolve", dedup_key: event?.dedup_key }]);
    expect((await escalations.of("IN-1"))[0]?.state).toBe("closed");
  });

  it("leaves alone what somebody has taken up", async () => {
    const { stub, escalator, attended, wait, fire } = await world();
    await fire(1);
    attended.add("INV-1");
    wait(HOUR);
    await escalator.check();
    expect(stub.events).toEqual([]);
  });

  it("tries again when the pager fails, and says so when nobody can be reached (PagerDuty stub)", async () => {
    const { stub, escalator, escalations, channel, wait, fire } = await world();
    await fire(1);
    wait(HOUR);
    stub.faults.push({ status: 500, body: "oops" }, { status: 429, body: "{}" });
    await escalator.check();
    expect((await escalations.of("IN-1"))[0]).toMatchObject({ state: "failed", outcome: expect.stringContaining("500") });
    expect(channel.told).toEqual([]);
    await escalator.check();
    await escalator.check();
    expect(stub.events).toHaveLength(1);
    expect((await escalations.of("IN-1"))[0]).toMatchObject({ state: "sent", attempts: 3 });

    await fire(2);
    wait(HOUR);
    stub.faults.push(...Array.from({ length: 9 }, () => ({ status: 400, body: '{"message":"no such key"}' })));
    for (let at = 0; at < 8; at++) await escalator.check();
    expect((await escalations.of("IN-2"))[0]).toMatchObject({ state: "failed", attempts: 5 });
    expect(channel.told.at(-1)?.text).toMatch(/^\*\*Nobody was reached by PagerDuty\*\*: .*no such key/);
    expect(stub.faults).toHaveLength(4);
  });

  it("a storm does not ring for hours: what is beyond the limit is recorded and told, and goes out when there is room", async () => {
    const { stub, escalator, escalations, channel, wait, fire } = await world({ mostAnHour: 2 });
    for (const number of [1, 2, 3]) await fire(number);
    wait(20 * MINUTE);
    await escalator.check();
    await escalator.check();
    expect(stub.events).toHaveLength(2);
    expect((await escalations.of("IN-3"))[0]?.state).toBe("withheld");
    expect(channel.told.filter(({ text }) => text.startsWith("Not escalated"))).toEqual([
      {
        investigationId: "INV-3",
        text: "Not escalated by PagerDuty: 2 incidents were escalated within the hour already. On call for shop-3: Ada (primary).",
      },
    ]);
    wait(HOUR + MINUTE);
    await escalator.check();
    expect(stub.events).toHaveLength(3);
  });

  it("a person may escalate any incident, with a reason", async () => {
    const { stub, escalator, escalations, fire } = await world();
    await fire(1, "warning");
    await escalator.escalate("IN-1", { requester: "slack:U1", reason: "customers call" });
    expect(stub.events).toHaveLength(1);
    expect((await escalations.of("IN-1"))[0]).toMatchObject({ requester: "slack:U1", reason: "customers call" });
    await expect(escalator.escalate("IN-9", { requester: "slack:U1", reason: "x" })).rejects.toThrow("no incident IN-9");
  });

  it("mentions those on duty in Slack, in the thread, and nobody else whatever the alert says (fake Slack)", async () => {
    const slack = await FakeSlack.start();
    closers.push(() => slack.stop());
    const ben = { ...ada, name: "Ben <!here>", slackId: null };
    const mention = new SlackMention({
      token: "xoxb-1",
      channel: "C0INC",
      apiUrl: slack.apiUrl,
      threadOf: async (id) => (id === "INV-1" ? { channel: "C0INC", message: "1700000000.000100" } : null),
    });
    const { escalator, escalations, wait, fire } = await world({ pagers: [mention], people: [ada, ben] });
    await fire(1);
    wait(HOUR);
    await escalator.check();
    expect(slack.posts).toHaveLength(1);
    expect(slack.posts[0]).toMatchObject({
      channel: "C0INC",
      thread_ts: "1700000000.000100",
      text: "<@U0ADA> Ben &lt;!here&gt; Checkout fails on shop-1: critical for 60 minutes and nobody has taken it up.",
    });
    expect((await escalations.of("IN-1"))[0]).toMatchObject({ pager: "Slack mention", state: "sent" });
  });
});
