import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { backtest } from "../../src/commands/backtest.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { type Happening, scrapes } from "../support/prometheus-history.ts";
import { installed, type RunningServer, startPrometheus } from "../support/servers.ts";

const STEP = 5 * MINUTE;
const folder = mkdtempSync(join(tmpdir(), "vigil-backtest-prometheus-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly series: number;
  readonly posts: readonly {
    readonly at: string;
    readonly started: string;
    readonly services: readonly string[];
    readonly signal: string;
    readonly change: number;
  }[];
  readonly forecasts: readonly { readonly at: string; readonly text: string }[];
  readonly known?: {
    readonly found: readonly { readonly name: string; readonly delay_minutes: number }[];
    readonly missed: readonly unknown[];
    readonly posts_beside: number;
  };
}

const prometheus = installed("prometheus");
describe.skipIf(prometheus === null)(`vigil backtest over a real Prometheus ${prometheus ?? ""}`, () => {
  /** A Friday, so that what is replayed is days of one kind; the same week for everybody who runs this. */
  const now = Date.UTC(2026, 2, 6, 12);
  const happenings: Happening[] = [
    { service: "front", from: now - 30 * HOUR, to: now - 27 * HOUR, latency: 1.4 },
    { service: "stock", from: now - 52 * HOUR, to: now - 51 * HOUR, failing: 0.05 },
    // Counters that begin anew and a scrape that failed are no trouble of the service.
    { service: "stock", from: now - 6 * DAY, to: now - 6 * DAY, restarted: true },
    { service: "stock", from: now - 20 * HOUR, to: now - 20 * HOUR, restarted: true },
    { service: "mail", from: now - 40 * HOUR, to: now - 40 * HOUR + 3 * MINUTE, unseen: true },
  ];
  let server: RunningServer;
  beforeAll(async () => {
    const history = scrapes({
      services: ["front", "stock", "mail"],
      from: now - 11 * DAY,
      to: now,
      every: MINUTE,
      happenings,
      fillsFrom: now - 40 * HOUR,
      fillsEvery: HOUR,
    });
    server = await startPrometheus(folder, { history });
    const config = {
      dataDir: join(folder, "data"),
      metrics: { kind: "prometheus", url: server.url, scrapeSeconds: MINUTE / SECOND },
      detection: { stepSeconds: STEP / SECOND },
    };
    writeFileSync(join(folder, "vigil.yaml"), JSON.stringify(config));
    vi.stubEnv("VIGIL_CONFIG", join(folder, "vigil.yaml"));
    vi.useFakeTimers({ toFake: ["Date"], now });
  });
  afterAll(async () => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    await server?.stop();
  });

  async function run(more: object): Promise<Answer> {
    const written: string[] = [];
    const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => Boolean(written.push(String(text))));
    try {
      await backtest({ days: 11, learnDays: 8, json: true, ...more });
    } finally {
      spy.mockRestore();
    }
    return JSON.parse(written.join("")) as Answer;
  }

  it("posts what happened and nothing else, foresees the full disk, and draws it", async () => {
    const known = join(folder, "known.csv");
    writeFileSync(
      known,
      `start,end,name\n${happenings
        .slice(0, 2)
        .map(({ service, from, to }) => `${from / 1_000},${to / 1_000},${service}`)
        .join("\n")}\n`,
    );
    const picture = join(folder, "timeline.svg");
    const answer = await run({ incidents: known, picture });
    expect(answer.series).toBe(9);
    expect(answer.posts.map(({ services, signal }) => [services, signal])).toEqual([
      [["stock"], "errors"],
      [["front"], "latency"],
    ]);
    const [failing, slow] = answer.posts;
    // The share of failures and the mean duration are those that were scraped, although counters began anew twice.
    expect(slow?.change).toBeGreaterThan(0.25);
    expect(slow?.change).toBeLessThan(0.5);
    expect(failing?.change).toBeGreaterThan(5);
    expect(answer.known).toMatchObject({ missed: [], posts_beside: 0 });
    for (const { delay_minutes } of answer.known?.found ?? []) expect(delay_minutes).toBeLessThanOrEqual(30);
    const [first] = answer.forecasts;
    expect(first?.text).toContain("front: node_filesystem_avail_bytes (mountpoint=/data) is at ");
    // Half full and one per cent more an hour since forty hours before: full at 22:00.
    expect(first?.text).toMatch(/will be full about 2026-03-0(?:6 2[0-3]|7 0[0-3])/);
    expect(answer.forecasts.at(-1)?.text).toMatch(/^Still filling.* will be full about 2[12]:\d\d UTC/);
    const svg = readFileSync(picture, "utf8");
    for (const shown of [/^<svg /, /2 investigations/, />front</, />stock</, /<\/svg>$/]) expect(svg).toMatch(shown);
  });
});
