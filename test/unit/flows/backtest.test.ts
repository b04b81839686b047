import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { backtest as command } from "../../../src/commands/backtest.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { backtest, Recording, reckon } from "../../../src/flows/backtest/index.ts";
import { START, simulate } from "../detection/simulate.ts";

const STEP = 5 * MINUTE;
/** A whole week, so that the weekend is known. */
const LEARN = 8 * DAY;
const BEGAN = START + 9 * DAY + 7 * HOUR;
const UNTIL = BEGAN + 3 * HOUR;
const folder = mkdtempSync(join(tmpdir(), "vigil-backtest-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Two services that call one another slow down together for three hours; a third does not. */
function history() {
  const series = ["front", "stock", "mail"].map((service, seed) => ({
    service,
    points: simulate({ seed: seed + 1, days: 11, noise: 0.04, step: STEP }).map(({ at, value }) => ({
      at,
      value: (value / 1_000) * (service !== "mail" && at >= BEGAN && at < UNTIL ? 1.4 : 1),
    })),
  }));
  const red = new Map(
    series.map(({ service, points }) => [
      Recording.key(service, "latency"),
      { metric: "red.latency", service, labels: {}, unit: "s", points },
    ]),
  );
  return { series, recording: new Recording(red, []) };
}

const options = { from: START, to: START + 11 * DAY, step: STEP, falseAlarmsPerWeek: 0.5, learn: LEARN };
const deploy = {
  id: "c1",
  at: BEGAN - 10 * MINUTE,
  kind: "deploy" as const,
  subject: "stock",
  services: ["stock"],
  environment: "production",
  actor: "kim",
  before: "1.0",
  after: "1.1",
  summary: "",
  reference: "",
  source: "test",
};

describe("a backtest", () => {
  it("tells what the watcher would have posted: one incident for services that belong together, with what changed before", async () => {
    const { recording } = history();
    const result = await backtest(recording, options, {
      graph: { nodes: ["front", "stock", "mail"], edges: [{ caller: "front", callee: "stock", calls: 1 }] },
      changes: { changes: async ({ from, to }) => (deploy.at >= from && deploy.at < to ? [deploy] : []) },
    });
    expect(result.posts).toHaveLength(1);
    const [post] = result.posts;
    expect(post?.services.toSorted()).toEqual(["front", "stock"]);
    expect(post?.at).toBeGreaterThanOrEqual(BEGAN);
    expect(post?.at).toBeLessThan(BEGAN + HOUR);
    expect(post?.resolvedAt).toBeGreaterThan(UNTIL);
    expect(post?.changes.map(({ subject }) => subject)).toEqual(["stock"]);
    expect(result.range).toEqual({ from: START + LEARN, to: START + 11 * DAY });
    expect(result.postsPerWeek).toBeCloseTo(7 / 3, 5);
    expect(result.timeInIncident).toBeGreaterThan(0.03);
    expect(result.timeInIncident).toBeLessThan(0.1);

    const known = [
      { name: "slow", from: BEGAN, to: UNTIL },
      { name: "not in the metrics", from: BEGAN + 20 * HOUR, to: BEGAN + 21 * HOUR },
      { name: "before the replay", from: START, to: START + HOUR },
    ];
    const reckoning = reckon(result, known);
    expect(reckoning.found.map(({ incident }) => incident.name)).toEqual(["slow"]);
    expect(reckoning.missed.map(({ name }) => name)).toEqual(["not in the metrics"]);
    expect(reckoning.others).toEqual([]);
  });
});

describe("what is read for a backtest", () => {
  it("comes in stretches and service by service, so that a source of many services over a long time answers", async () => {
    const points = (from: number, to: number) => {
      const all = [];
      for (let at = from; at < to; at += MINUTE) all.push({ at, value: at / DAY });
      return all;
    };
    let asked = 0;
    const source = {
      services: async () => ["front", "stock"],
      metrics: async (service?: string) => {
        if (service === undefined) throw new Error("name the service");
        const info = { kind: "gauge" as const, unit: "1", services: [service], labelKeys: ["mountpoint"] };
        return service === "stock" ? [{ ...info, metric: "disk.usage" }] : [];
      },
      red: async ({ service, signal, from, to }: { service: string; signal: string; from: number; to: number }) => {
        asked++;
        if ((to - from) / MINUTE > 50_000) throw new Error("too many steps");
        return { metric: `red.${signal}`, service, labels: {}, unit: "", points: points(from, to) };
      },
      query: async ({ metric, service, from, to }: { metric: string; service?: string; from: number; to: number }) =>
        ["/a", "/b"].map((mountpoint) => ({
          metric,
          service: service ?? null,
          labels: { mountpoint },
          unit: "1",
          points: points(from, to),
        })),
    };
    const recording = await Recording.of(source, { from: START, to: START + 60 * DAY, step: MINUTE });
    expect(asked).toBe(5 * 2 * 3);
    expect(recording.points("front", "latency").map(({ at }) => at)).toEqual(points(START, START + 60 * DAY).map(({ at }) => at));
    expect(await recording.metrics("front")).toEqual([]);
    expect((await recording.metrics("stock")).map(({ metric }) => metric)).toEqual(["disk.usage"]);
    const range = { from: START, to: START + 60 * DAY, step: DAY, statistic: "max" as const };
    const disks = await recording.query({ metric: "disk.usage", service: "stock", ...range });
    expect(disks.map(({ labels, points: own }) => [labels.mountpoint, own.length])).toEqual([
      ["/a", 60],
      ["/b", 60],
    ]);
  });
});

describe("vigil backtest --csv", () => {
  async function run(csv: string, more: object = {}) {
    const file = join(folder, "history.csv");
    writeFileSync(file, csv);
    const written: string[] = [];
    const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => Boolean(written.push(String(text))));
    try {
      await command({ csv: [file], days: 28, learnDays: 8, json: true, ...more });
    } finally {
      spy.mockRestore();
    }
    return JSON.parse(written.join(""));
  }

  it("replays a table, reckons with known incidents, and draws a timeline that names what it shows", async () => {
    const { series } = history();
    const rows = series[0]?.points.map(({ at }, row) => [
      new Date(at).toISOString(),
      ...series.map(({ points }) => points[row]?.value),
    ]);
    const incidents = join(folder, "known.csv");
    writeFileSync(incidents, `start,end,name\n${BEGAN / 1_000},${UNTIL / 1_000},slow\n`);
    const picture = join(folder, "timeline.svg");
    const header = ["timestamp", ...series.map(({ service }) => `${service}|latency`)];
    const result = await run([header, ...(rows ?? [])].map((row) => row.join(",")).join("\n"), { incidents, picture });
    // Nothing says that the two belong together, so each is told.
    expect(result.posts.map(({ services }: { services: string[] }) => services[0]).toSorted()).toEqual(["front", "stock"]);
    expect(result.known).toMatchObject({ missed: [], posts_beside: 0 });
    const svg = readFileSync(picture, "utf8");
    expect(svg).toMatch(/^<svg .*2 investigations.*front.*<\/svg>$/s);
  });

  it("says what is wrong with a table", async () => {
    await expect(run("timestamp\n1\n")).rejects.toThrow(/the header must be a time and series/);
    await expect(run("timestamp,a|latency\nx,1\n")).rejects.toThrow(/line 2: the timestamp "x" is not a time/);
    await expect(run("timestamp,a|latency\n0,1\n60,2\n120,1\n")).rejects.toThrow(/Lower --learn-days/);
    await expect(run("timestamp,a|latency\n0,1\n60,2\n", { incidents: join(folder, "history.csv") })).rejects.toThrow(
      /start and end/,
    );
  });
});
