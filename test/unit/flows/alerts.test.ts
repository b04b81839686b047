import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { InvestigateRequest, SreAgent } from "../../../src/agent/types.ts";
import type { InvestigationReport } from "../../../src/domain/investigation.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import type { IncomingAlert } from "../../../src/flows/alert.ts";
import { AlertTriage } from "../../../src/flows/alerts.ts";
import { Investigator } from "../../../src/flows/investigate.ts";
import { historyScanner } from "../../../src/flows/scan.ts";
import { AlertRepository } from "../../../src/store/alerts.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { anomaly, report } from "../../support/domain-samples.ts";
import { RecordingChannel } from "../../support/recording-channel.ts";
import { SyntheticMetrics } from "../../support/synthetic-metrics.ts";

const START = Date.UTC(2026, 10, 2);
const quiet = pino({ level: "silent" });
const graph = {
  nodes: ["edge", "cart", "ledger", "island"],
  edges: [
    { caller: "edge", callee: "cart", calls: 9 },
    { caller: "cart", callee: "ledger", calls: 9 },
  ],
};

async function world(options: { report?: Partial<InvestigationReport>; agentWaits?: Promise<void> } = {}) {
  const db = await openStateDatabase(":memory:");
  const store = new InvestigationRepository(db);
  const alerts = new AlertRepository(db);
  const channel = new RecordingChannel();
  const metrics = new SyntheticMetrics(graph.nodes, START, 3, 7);
  const asked: InvestigateRequest[] = [];
  const agent: SreAgent = {
    investigate: async (request) => {
      asked.push(request);
      await options.agentWaits;
      return report(options.report);
    },
    answer: () => Promise.reject(new Error("not asked")),
  };
  let now = START + 2 * DAY + 3 * HOUR;
  const investigator = new Investigator({
    store,
    feedback: new FeedbackRepository(db),
    agent,
    channel,
    picture: async () => null,
    now: () => now,
    log: quiet,
  });
  const build = () =>
    new AlertTriage({
      alerts,
      store,
      investigator,
      channel,
      graph: async () => graph,
      metrics,
      scanner: historyScanner(metrics, { step: MINUTE, falseAlarmsPerWeek: 0.5 }),
      clock: { now: () => now, speed: 1 },
      now: () => now,
      log: quiet,
      leads: () => leads,
      options: { step: MINUTE, quiet: 30 },
    });
  let leads = true;
  let current = build();
  /** Waits until everything was dealt with, as far as the agent lets it. */
  const done = async () => {
    await expect.poll(async () => (await alerts.pending()).length).toBe(0);
    await current.close();
    current = build();
    if (!options.agentWaits) for (const id of investigator.running) await investigator.finished(id);
  };
  return {
    store,
    db,
    alerts,
    channel,
    metrics,
    asked,
    investigator,
    now: () => now,
    /** Takes alerts in as a replica that does not lead. */
    takeOnly: async (...sent: IncomingAlert[]) => {
      leads = false;
      const news = await current.take(sent);
      await current.close();
      leads = true;
      current = build();
      return news;
    },
    wait: (time: number) => {
      now += time;
    },
    /** Sends alerts and waits until they were dealt with. */
    send: async (...sent: IncomingAlert[]) => {
      const news = await current.take(sent);
      await done();
      return news;
    },
    start: async () => {
      current.start();
      await done();
    },
    alert: (changed: Partial<IncomingAlert> = {}): IncomingAlert => ({
      source: "alertmanager",
      fingerprint: `${changed.service ?? "cart"}-${changed.title ?? "HighLatency"}`,
      state: "firing",
      title: "HighLatency",
      summary: "p95 latency above the objective",
      service: "cart",
      severity: "critical",
      labels: {},
      startsAt: now - MINUTE,
      endsAt: null,
      link: null,
      ...changed,
    }),
  };
}

describe("alerts", () => {
  it("an alert opens one investigation with the numbers that telemetry has", async () => {
    const { send, alert, store, metrics, asked, now } = await world();
    metrics.shifts.push({ service: "cart", signal: "latency", from: now() - 15 * MINUTE, factor: 1.5 });
    expect(await send(alert())).toBe(1);

    const [incident, ...others] = await store.unresolvedIncidents();
    expect(others).toEqual([]);
    expect(incident).toMatchObject({ services: ["cart"], title: "cart: HighLatency" });
    expect(asked).toHaveLength(1);
    expect(asked[0]?.question).toBe("Alert from alertmanager: HighLatency on cart. p95 latency above the objective");
    const [seen] = asked[0]?.anomalies ?? [];
    expect(seen).toMatchObject({ service: "cart", signal: "latency", direction: "up" });
    expect(seen?.relativeChange).toBeGreaterThan(0.35);
    expect((await store.ofIncident(incident?.id ?? ""))?.trigger).toBe("alert");
  });

  it("the same alert firing again and again opens nothing more", async () => {
    const { send, alert, asked, store } = await world();
    const first = alert();
    await send(first);
    expect(await send(first)).toBe(0);
    expect(await send({ ...first }, { ...first })).toBe(0);
    expect(asked).toHaveLength(1);
    expect(await store.incidents()).toHaveLength(1);
  });

  it("500 alerts in a second are one investigation for each incident and one line in the channel", async () => {
    const { send, alert, asked, store, channel } = await world();
    const services = ["edge", "cart", "ledger", "island"];
    const storm = Array.from({ length: 500 }, (_, at) =>
      alert({ service: services[at % 4], title: `Rule${at}`, fingerprint: `storm-${at}`, summary: at % 2 ? "errors" : "slow" }),
    );
    const began = Date.now();
    expect(await send(...storm)).toBe(500);
    expect(Date.now() - began).toBeLessThan(20_000);

    expect(asked).toHaveLength(2);
    const incidents = await store.unresolvedIncidents();
    expect(incidents.map(({ services }) => services.toSorted())).toEqual([["cart", "edge", "ledger"], ["island"]]);
    expect(Math.max(...incidents.map(({ anomalies }) => anomalies.length))).toBeLessThanOrEqual(6);
    expect(channel.told).toHaveLength(1);
    expect(channel.told[0]).toMatchObject({ investigationId: null });
    expect(channel.told[0]?.text).toBe(
      "500 alerts within 1 second, 2 investigations: INV-1 375 alerts on edge, cart, ledger; INV-2 125 alerts on island.",
    );
  });

  it("a storm over services that have nothing to do with each other stays a handful of investigations", async () => {
    const { send, alert, asked, store } = await world();
    await send(...Array.from({ length: 60 }, (_, at) => alert({ service: `unknown-${at}`, fingerprint: `f-${at}` })));
    expect(asked).toHaveLength(5);
    expect((await store.unresolvedIncidents()).at(-1)).toMatchObject({ title: "Many alerts at once" });
  });

  it("an alert of a related service joins the incident, and its investigation is told", async () => {
    const { send, alert, wait, asked, store, channel } = await world();
    await send(alert({ service: "edge" }));
    wait(5 * MINUTE);
    await send(alert({ service: "ledger", title: "ErrorRate" }));
    expect(asked).toHaveLength(1);
    expect((await store.unresolvedIncidents())[0]?.services).toEqual(["edge", "ledger"]);
    expect(channel.told).toEqual([{ investigationId: "INV-1", text: "This alert fires too: ErrorRate on ledger." }]);
    wait(3 * HOUR);
    await send(alert({ service: "island" }));
    expect(asked).toHaveLength(2);
  });

  it("joins what the watcher found itself, and leaves its end to the watcher", async () => {
    const { send, alert, store, asked, now, wait } = await world();
    const found = anomaly({ service: "cart", startedAt: now() - 5 * MINUTE, detectedAt: now() - MINUTE });
    await store.saveIncident({
      id: "IN-77",
      state: "open",
      openedAt: now() - MINUTE,
      resolvedAt: null,
      services: ["cart"],
      anomalies: [found],
      title: "cart latency up",
    });
    const fired = alert();
    await send(fired);
    expect((await store.unresolvedIncidents())[0]?.anomalies).toEqual([found]);
    wait(10 * MINUTE);
    await send({ ...fired, state: "resolved", endsAt: now() });
    expect(await store.incident("IN-77")).toMatchObject({ state: "open", anomalies: [{ endedAt: null }] });
    expect(asked).toHaveLength(1);
  });

  it("an alert for a service that somebody asked about is attached to that investigation", async () => {
    let finish = () => {};
    const agentWaits = new Promise<void>((done) => {
      finish = done;
    });
    const { send, alert, investigator, store, channel, asked } = await world({ agentWaits });
    const opened = await investigator.open({
      trigger: "question",
      incidentId: null,
      anomalies: [],
      question: "investigate cart",
      requester: "web:me",
    });
    await send(alert());
    expect(asked).toHaveLength(1);
    expect(channel.told).toEqual([{ investigationId: opened.id, text: "This alert fires too: HighLatency on cart." }]);
    const errors = alert({ title: "ErrorRate" });
    await send(errors);
    await send({ ...errors, state: "resolved", endsAt: errors.startsAt + MINUTE });
    expect(asked).toHaveLength(1);
    expect(channel.told.map(({ investigationId }) => investigationId)).toEqual([opened.id, opened.id, opened.id]);
    expect(await store.unresolvedIncidents()).toHaveLength(1);
    finish();
    await investigator.finished(opened.id);
  });

  it("when the last alert is resolved, the investigation hears of it and the incident is closed", async () => {
    const { send, alert, wait, store, channel, now } = await world();
    const cart = alert();
    const edge = alert({ service: "edge", title: "ErrorRate", summary: "5xx" });
    await send(cart, edge);
    wait(12 * MINUTE);
    await send({ ...cart, state: "resolved", endsAt: now() });
    expect((await store.unresolvedIncidents())[0]?.state).toBe("open");
    expect(channel.told.at(-1)).toEqual({ investigationId: "INV-1", text: "Resolved after 13 minutes: HighLatency on cart." });
    wait(MINUTE);
    await send({ ...edge, state: "resolved", endsAt: now() });
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect((await store.incidents())[0]).toMatchObject({ state: "resolved", resolvedAt: now() });
    expect(channel.told.at(-1)?.text).toBe(
      "Resolved after 14 minutes: ErrorRate on edge. No alert of IN-1 is left; it is closed.",
    );
  });

  it("an alert that flaps goes on with its incident; one that comes back much later is a new one", async () => {
    const { send, alert, wait, store, asked, channel, now } = await world({ report: { outcome: "unknown" } });
    const fired = alert();
    await send(fired);
    wait(5 * MINUTE);
    await send({ ...fired, state: "resolved", endsAt: now() });
    wait(5 * MINUTE);
    await send({ ...fired, startsAt: now() });
    expect(asked).toHaveLength(1);
    expect(channel.told.at(-1)?.text).toBe("Firing again: HighLatency on cart.");
    expect((await store.unresolvedIncidents()).map(({ id }) => id)).toEqual(["IN-1"]);
    await send({ ...fired, startsAt: now(), state: "resolved", endsAt: now() });
    wait(4 * HOUR);
    await send({ ...fired, startsAt: now() });
    expect((await store.unresolvedIncidents()).map(({ id }) => id)).toEqual(["IN-2"]);
    expect(asked).toHaveLength(2);
  });

  it("looks again when more goes wrong after a first look that found nothing", async () => {
    const { send, alert, wait, asked } = await world({ report: { outcome: "unknown" } });
    await send(alert());
    wait(5 * MINUTE);
    await send(alert({ service: "ledger", title: "ErrorRate" }));
    await expect.poll(() => asked.length).toBe(2);
  });

  it("an alert that nobody heard begin may end unheard, and one that only informs wakes nobody", async () => {
    const { send, alert, asked, channel, store } = await world();
    expect(await send(alert({ state: "resolved" }))).toBe(0);
    expect(await send(alert({ title: "Watchdog", fingerprint: "w", severity: "info" }))).toBe(1);
    expect(asked).toEqual([]);
    expect(channel.told).toEqual([]);
    expect(await store.incidents()).toEqual([]);
  });

  it("are only kept by a replica that does not lead, and looked into by the one that does", async () => {
    const { takeOnly, start, alert, asked, alerts } = await world();
    expect(await takeOnly(alert())).toBe(1);
    expect(asked).toEqual([]);
    expect(await alerts.pending()).toHaveLength(1);
    await start();
    expect(asked).toHaveLength(1);
  });

  it("what was taken before a crash is dealt with at the next start, and what was dealt with is not opened twice", async () => {
    const { db, alerts, alert, start, asked, store, now } = await world();
    await alerts.receive([alert(), alert({ service: "edge" })], now());
    await start();
    expect(asked).toHaveLength(1);
    // The crash came after the investigation was opened and before that was noted.
    await db.updateTable("alerts").set({ pending: 1, incident_id: null, investigation_id: null, anomaly_id: null }).execute();
    await start();
    expect(asked).toHaveLength(1);
    expect((await store.incidents())[0]?.anomalies).toHaveLength(2);
  });
});
