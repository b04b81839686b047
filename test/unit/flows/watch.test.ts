import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { InvestigateRequest, SreAgent } from "../../../src/agent/types.ts";
import type { Anomaly } from "../../../src/domain/anomaly.ts";
import { type ChangeEvent, SourceError } from "../../../src/domain/telemetry.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { Investigator } from "../../../src/flows/investigate.ts";
import { Watcher, type WatcherDependencies } from "../../../src/flows/watch.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { report } from "../../support/domain-samples.ts";
import { RecordingChannel } from "../../support/recording-channel.ts";
import { SyntheticMetrics } from "../../support/synthetic-metrics.ts";

const START = Date.UTC(2026, 10, 2);
const NOW = START + 14 * DAY + 3 * HOUR;
const quiet = pino({ level: "silent" });

async function world(options: Pick<WatcherDependencies, "patience" | "dismissed"> & { seed?: number; days?: number } = {}) {
  const db = await openStateDatabase(":memory:");
  const store = new InvestigationRepository(db);
  const channel = new RecordingChannel();
  const metrics = new SyntheticMetrics(["edge", "shelf", "stranger"], START, options.days ?? 16, options.seed ?? 5);
  const asked: InvestigateRequest[] = [];
  const agent: SreAgent = {
    investigate: async (request) => {
      asked.push(request);
      return report({ proposals: ["PRO-1"] });
    },
    answer: () => Promise.reject(new Error("not asked")),
  };
  const changes: ChangeEvent[] = [];
  let now = NOW;
  let silentFrom: number | null = null;
  let answers = true;
  let nothing = false;
  const investigator = new Investigator({
    store,
    feedback: new FeedbackRepository(db),
    agent,
    channel,
    picture: (anomaly) => watcher.picture(anomaly),
    now: () => now,
    log: quiet,
  });
  const build = () =>
    new Watcher({
      metrics,
      changes: { changes: async () => changes },
      graph: async () => ({ nodes: ["edge", "shelf", "stranger"], edges: [{ caller: "edge", callee: "shelf", calls: 1 }] }),
      latest: async () => {
        if (!answers) throw new SourceError("Prometheus at prom:9090 cannot be reached");
        return nothing ? null : Math.min(now, silentFrom ?? now);
      },
      store,
      memory: store,
      investigator,
      channel,
      clock: { now: () => now, speed: 1 },
      wall: () => now,
      log: quiet,
      ...(options.patience ? { patience: options.patience } : {}),
      ...(options.dismissed ? { dismissed: options.dismissed } : {}),
      options: { step: MINUTE, falseAlarmsPerWeek: 0.5, historyDays: 14 },
    });
  let watcher = build();
  const passes = async (count: number, minutes = 1) => {
    for (let pass = 0; pass < count; pass++) {
      now += minutes * MINUTE;
      await watcher.tick();
    }
  };
  const settled = async () => {
    for (const id of investigator.running) await investigator.finished(id);
  };
  /** Killed, it has remembered nothing of what it learned. */
  const restart = async (how: "stopped" | "killed" = "stopped") => {
    if (how === "stopped") await watcher.stop();
    watcher = build();
    await watcher.prepare();
  };
  await watcher.prepare();
  await passes(1);
  return {
    store,
    channel,
    metrics,
    changes,
    asked,
    passes,
    settled,
    restart,
    silence: (from: number | null, forgotten = false) => {
      silentFrom = from;
      nothing = forgotten;
    },
    answer: (yes: boolean) => {
      answers = yes;
    },
    scan: () => watcher.scan(["edge", "shelf", "stranger"], now),
    now: () => now,
  };
}

describe("the watcher", () => {
  it("finds a 12 % latency rise within ten minutes and opens one investigation for the services it runs through", async () => {
    const { store, channel, metrics, asked, passes, settled, now } = await world();
    metrics.shifts.push({ service: "shelf", signal: "latency", from: now() + MINUTE, factor: 1.2 });
    metrics.shifts.push({ service: "edge", signal: "latency", from: now() + MINUTE, factor: 1.12 });
    await passes(15);
    await settled();

    const [incident, ...others] = await store.unresolvedIncidents();
    expect(others).toEqual([]);
    expect(incident?.services.toSorted()).toEqual(["edge", "shelf"]);
    const rise = incident?.anomalies.find(({ service }) => service === "edge");
    expect(rise).toMatchObject({ signal: "latency", direction: "up" });
    expect((rise?.detectedAt ?? 0) - (now() - 15 * MINUTE)).toBeLessThanOrEqual(11 * MINUTE);
    expect(asked).toHaveLength(1);
    const { picture } = channel.investigations.at(-1) ?? {};
    expect(picture?.points.length).toBeGreaterThan(60);
    expect(picture?.band).toHaveLength(picture?.points.length ?? 0);
  });

  it("says nothing through a quiet day", async () => {
    const { channel, asked, passes } = await world();
    await passes(1440);
    expect(asked).toEqual([]);
    expect(channel.told).toEqual([]);
  });

  it("resolves the incident when the series is back, and says so", async () => {
    const { store, channel, metrics, passes, settled, now } = await world();
    metrics.shifts.push({ service: "stranger", signal: "latency", from: now() + MINUTE, factor: 1.3 });
    await passes(15);
    await settled();
    expect(await store.unresolvedIncidents()).toHaveLength(1);
    metrics.shifts.pop();
    await passes(60);
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect(channel.told.at(-1)?.text).toMatch(/^Back to normal: stranger/);
  });

  it("goes on after a restart without asking again about what it knew", async () => {
    const { store, metrics, asked, passes, settled, restart, now } = await world();
    metrics.shifts.push({ service: "stranger", signal: "latency", from: now() + MINUTE, factor: 1.3 });
    await passes(15);
    await settled();
    await restart();
    await passes(15);
    await settled();
    expect(asked).toHaveLength(1);
    expect(await store.unresolvedIncidents()).toHaveLength(1);
  });

  it("waits with what looks like noise of before, also across a restart, and tells what does not heal", async () => {
    const { metrics, asked, passes, settled, restart, now } = await world({ patience: () => ({ wait: 25 * MINUTE, unless: 1 }) });
    metrics.shifts.push({ service: "stranger", signal: "latency", from: now() + MINUTE, factor: 1.3 });
    await passes(20);
    metrics.shifts.pop();
    await passes(2 * 60);
    expect(asked).toEqual([]);
    metrics.shifts.push({ service: "stranger", signal: "latency", from: now() + MINUTE, factor: 1.3 });
    await passes(20);
    await restart();
    expect(asked).toEqual([]);
    await passes(20);
    await settled();
    expect(asked).toMatchObject([{ anomalies: [{ service: "stranger" }] }]);
  });

  it("tells at once what follows a change, and notes that it does", async () => {
    const { metrics, changes, asked, passes, settled, now } = await world({
      patience: ({ afterChange }) => ({ wait: afterChange ? 0 : 25 * MINUTE, unless: 1 }),
    });
    changes.push({ at: now() - 5 * MINUTE, kind: "deploy", services: ["stranger"] } as unknown as ChangeEvent);
    metrics.shifts.push({ service: "stranger", signal: "latency", from: now() + MINUTE, factor: 1.3 });
    await passes(15);
    await settled();
    expect(asked).toMatchObject([{ anomalies: [{ service: "stranger", afterChange: true }] }]);
  });

  it("finds a known anomaly again after a kill, ends it once and tells of it once", async () => {
    const { store, channel, metrics, asked, passes, settled, restart, now } = await world();
    metrics.shifts.push({ service: "stranger", signal: "latency", from: now() + MINUTE, factor: 1.5 });
    await passes(15);
    await settled();
    const [before] = await store.unresolvedIncidents();
    // What it knew was of before the anomaly: it learns anew and comes to it a second time.
    await restart("killed");
    await passes(20);
    await settled();
    const [incident, ...others] = await store.unresolvedIncidents();
    expect(others).toEqual([]);
    expect(incident).toMatchObject({ id: before?.id, state: "open" });
    expect(incident?.anomalies.map(({ id, endedAt }) => ({ id, endedAt }))).toEqual([
      { id: before?.anomalies[0]?.id, endedAt: null },
    ]);
    metrics.shifts.splice(0);
    await passes(45);
    await settled();
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect(await store.incidents()).toHaveLength(1);
    expect(asked).toHaveLength(1);
    expect(channel.told.filter(({ text }) => text.includes("Back to normal"))).toHaveLength(1);
  });

  it("tells the agent what else is off its baseline", async () => {
    const { metrics, passes, scan, now } = await world();
    metrics.shifts.push({ service: "shelf", signal: "latency", from: now() + MINUTE, factor: 1.25 });
    await passes(12);
    expect((await scan())[0]).toMatchObject({ service: "shelf", signal: "latency", direction: "up" });
  });

  it("says of what is off, and of what has only just recovered, when it began, however long ago that is", async () => {
    const { metrics, passes, scan, now } = await world();
    const began = now() + MINUTE;
    metrics.shifts.push({ service: "shelf", signal: "latency", from: began, factor: 1.25 });
    await passes(120);
    const [lasting] = await scan();
    expect(Math.abs((lasting?.startedAt ?? 0) - began)).toBeLessThanOrEqual(3 * MINUTE);
    metrics.shifts.length = 0;
    let recovered: Anomaly | undefined;
    for (let minute = 0; minute < 15 && !recovered?.id.endsWith("suspicion"); minute++) {
      await passes(1);
      recovered = (await scan()).find(({ service }) => service === "shelf");
    }
    expect(recovered).toMatchObject({ id: "shelf-latency-suspicion", startedAt: lasting?.startedAt });
  });

  it("waits for samples that are late, and tells of a service that fell silent once", async () => {
    const { store, metrics, asked, passes, settled, now } = await world();
    for (let late = 0; late < 20; late++) {
      metrics.missing.push({ service: "shelf", from: now() });
      await passes(1);
      metrics.missing.pop();
      await passes(2);
    }
    expect(await store.unresolvedIncidents()).toEqual([]);

    metrics.missing.push({ service: "shelf", from: now() });
    await passes(20);
    await settled();
    const incidents = await store.unresolvedIncidents();
    expect(incidents.map(({ services }) => services)).toEqual([["shelf"]]);
    expect(incidents[0]?.anomalies.every(({ kind }) => kind === "missing")).toBe(true);
    expect(asked).toHaveLength(1);
  });

  it("blames the pipeline, not every service, when nothing arrives at all, and says when it does again", async () => {
    const { store, channel, passes, silence, now } = await world();
    silence(now());
    await passes(40);
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect(channel.told.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^No telemetry has arrived since \d\d:\d\d UTC, from any service/),
    ]);
    silence(null);
    await passes(5);
    expect(channel.told.at(-1)?.text).toBe("Telemetry arrives again. Vigil watches.");
    expect(channel.told).toHaveLength(2);
  });

  it("tells a service that is gone as no data, though its last sample looked like a fall of traffic", async () => {
    const { store, metrics, passes, settled, now } = await world();
    // The last window before a target goes holds half of its scrapes.
    for (const signal of ["rate", "latency"] as const)
      metrics.shifts.push({ service: "shelf", signal, from: now() + MINUTE, factor: 0.2 });
    metrics.missing.push({ service: "shelf", from: now() + 2 * MINUTE });
    await passes(25);
    await settled();
    const [incident, ...others] = await store.unresolvedIncidents();
    expect(others).toEqual([]);
    expect(incident?.title).toBe("shelf: no data");
    expect(incident?.anomalies.map(({ kind }) => kind)).toEqual(incident?.anomalies.map(() => "missing"));
  });

  it("closes what sends no data when people say that it is nothing; it is told again only after it was heard again", async () => {
    const said: string[] = [];
    const one = await world({ dismissed: async (id) => said.includes(id) });
    const { store, channel, metrics, asked, passes, settled, restart, now } = one;
    metrics.missing.push({ service: "shelf", from: now() });
    await passes(40);
    await settled();
    const [incident] = await store.unresolvedIncidents();
    said.push((await store.ofIncident(incident?.id ?? ""))?.id ?? "");
    await passes(1);
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect(channel.told.map(({ text }) => text)).toEqual([expect.stringMatching(/^Closed: shelf sends nothing, and you say/)]);
    expect((await one.scan()).filter(({ service }) => service === "shelf")).toEqual([]);
    await passes(20);
    await restart();
    await passes(20);
    metrics.missing.pop();
    await passes(6, 240);
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect(channel.told).toHaveLength(1);
    metrics.missing.push({ service: "shelf", from: now() });
    await passes(40);
    await settled();
    expect((await store.unresolvedIncidents()).map(({ title }) => title)).toEqual(["shelf: no data"]);
    expect(asked).toHaveLength(2);
  });

  it("closes what sends no data after a week by itself, and says so; a watch that begins anew does not take it up", async () => {
    const { store, channel, metrics, passes, settled, restart, now } = await world({ days: 24 });
    metrics.missing.push({ service: "shelf", from: now() });
    await passes(60);
    await passes(36, 240);
    await settled();
    expect((await store.unresolvedIncidents()).map(({ title }) => title)).toEqual(["shelf: no data"]);
    expect(channel.told).toEqual([]);
    await passes(6, 240);
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect(channel.told.map(({ text }) => text)).toEqual([expect.stringMatching(/^Closed: shelf sent nothing for 7 days/)]);
    for (const signal of ["rate", "latency", "errors"]) await store.forget(`detector/shelf|${signal}`);
    await restart("killed");
    await passes(60);
    expect(await store.unresolvedIncidents()).toEqual([]);
    expect(channel.told).toHaveLength(1);
  });

  it("tells a true fall of traffic to nothing as that: no requests have no latency, which is not missing", async () => {
    const { store, metrics, passes, settled, now } = await world();
    metrics.shifts.push({ service: "shelf", signal: "rate", from: now() + MINUTE, factor: 0 });
    metrics.unmeasured.push({ service: "shelf", from: now() + MINUTE });
    await passes(30);
    await settled();
    const [incident, ...others] = await store.unresolvedIncidents();
    expect(others).toEqual([]);
    expect(incident?.title).toBe("shelf request rate down");
    expect(incident?.anomalies.map(({ kind }) => kind)).not.toContain("missing");
  });

  it("says once that it is blind when the source of metrics does not answer, and once that it sees again", async () => {
    const { store, channel, metrics, passes, answer, settled, now } = await world();
    const from = now();
    answer(false);
    await passes(30);
    expect(channel.told.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^I am blind since \d\d:\d\d UTC: Prometheus at/),
    ]);
    // Nothing was scraped meanwhile.
    metrics.gap = { from, to: now() };
    answer(true);
    await passes(10);
    await settled();
    expect(channel.told.slice(1).map(({ text }) => text)).toEqual([expect.stringMatching(/^I see again/)]);
    expect(await store.unresolvedIncidents()).toEqual([]);
  });

  it("says that nothing arrives, too, of a source that only looks back for what is newest", async () => {
    const { channel, passes, silence } = await world();
    silence(null, true);
    await passes(40);
    expect(channel.told.map(({ text }) => text)).toEqual([expect.stringMatching(/^No telemetry has arrived since/)]);
  });
});
