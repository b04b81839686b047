import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type MetricBatch, OtlpExporter } from "../../src/demo/export.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { until } from "../support/fake-handlers.ts";
import { FakeSlack, type SlackPost } from "../support/fake-slack.ts";
import { type Postgres, startPostgres } from "../support/postgres.ts";
import { BOUNDS, DURATION, past, requests } from "../support/steady-service.ts";
import { type RunningVigil, startVigil } from "./app.ts";

/**
 * Two real processes of the command on one real PostgreSQL, each with its own folder and its own copy of the telemetry, both in one Slack: who
 * watches, what becomes of it when that one is killed or stopped, and that nothing is told twice.
 */

const STEP = 10_000;
const MINUTES = 60_000;
const QUIET = 51 * 60 * MINUTES;
const LEASE = 3;
const SERVICES = ["basket", "ledger", "search"] as const;
type Service = (typeof SERVICES)[number];

describe("two replicas on one PostgreSQL", { timeout: 5 * MINUTES }, () => {
  // Each try has a world of its own, so that nothing of one that failed is in the way of the next.
  let folder: string;
  let started: RunningVigil[];
  let postgres: Postgres;
  let slack: FakeSlack;
  let db: StateDatabase;
  /** Telemetry that is sent while they run is of the last 36 minutes. */
  let begin: number;

  const start = async (name: string): Promise<RunningVigil> => {
    const mine = started;
    const vigil = await startVigil(join(folder, name), {
      NODE_ENV: "test",
      VIGIL_CONFIG: join(folder, "vigil.yaml"),
      VIGIL_DEMO: "off",
      SLACK_BOT_TOKEN: "xoxb-test",
      SLACK_APP_TOKEN: "xapp-test",
    });
    mine.push(vigil);
    if (mine === started) return vigil;
    await vigil.stop("SIGKILL");
    throw new Error("This try is over.");
  };
  const role = async (vigil: RunningVigil) => {
    const answered = await fetch(`${vigil.url}/healthz`, { signal: AbortSignal.timeout(5_000) }).catch(async (error) => {
      await sleep(500);
      const { exitCode, signalCode } = vigil.process;
      throw exitCode === null && signalCode === null
        ? error
        : new Error(`It ended by ${exitCode ?? signalCode}:\n${vigil.log().slice(-2_000)}`);
    });
    return ((await answered.json()) as { replica: { leads: boolean; self: string; leader: string | null } }).replica;
  };
  const leads = (vigil: RunningVigil) =>
    role(vigil).then(
      (one) => one.leads,
      () => false,
    );

  /** From then on each service is slow, in minutes after the beginning. */
  const SLOW_FROM: Record<Service, number> = { basket: 4, ledger: 16, search: 28 };
  /** Sends the next twelve minutes of all services to every replica that is named. */
  const send = (phase: 0 | 1 | 2, replicas: readonly RunningVigil[]) =>
    Promise.all(
      replicas.map(({ url }) => {
        const from = begin + phase * 12 * MINUTES;
        const batches = SERVICES.map((service): MetricBatch => {
          const histogram: MetricBatch["histogram"] = [];
          for (let at = from; at < from + 12 * MINUTES; at += STEP)
            histogram.push(requests(at, at < begin + SLOW_FROM[service] * MINUTES ? 0.08 : 0.3));
          return { service, name: DURATION, unit: "s", bounds: BOUNDS, histogram };
        });
        return new OtlpExporter(url, () => false).metrics(batches);
      }),
    );
  const about = async (service: Service) => {
    const rows = await db.selectFrom("investigations").select(["id", "state", "body"]).execute();
    const anomalies = (body: string) => (JSON.parse(body) as { anomalies: { service: string }[] }).anomalies;
    return rows.filter(({ body }) => anomalies(body).some((one) => one.service === service));
  };
  const reported = async (service: Service) => (await about(service)).some(({ body }) => JSON.parse(body).report !== null);
  const subjectOf = ({ metadata }: SlackPost) => String(metadata?.event_payload.subject);
  const posted = async (service: Service) => {
    const subjects = (await about(service)).map(({ id }) => `investigation:${id}`);
    return slack.posts.filter((post) => subjects.includes(subjectOf(post)));
  };
  /** Messages that were posted although one of their subject was there. */
  const postedAgain = () =>
    slack.posts.filter((post, index, all) => all.findIndex((one) => subjectOf(one) === subjectOf(post)) < index);
  /** What a person needs to see which message was posted several times, and when. */
  const history = (post: SlackPost) => {
    const all = slack.posts.filter((one) => subjectOf(one) === subjectOf(post));
    const lines = all.map(
      ({ at, channel, thread_ts, text }) =>
        `  ${new Date(at).toISOString()} in ${channel}${thread_ts ? `/${thread_ts}` : ""}: ${text}`,
    );
    return [`${subjectOf(post)} was posted ${all.length} times:`, ...lines].join("\n");
  };
  const told = async (service: Service) => {
    await until(`the report on ${service}`, () => reported(service), 60_000);
    await until(`the message on ${service}`, async () => (await posted(service)).length > 0);
  };
  /** One incident, one investigation, one message of each of those services; and no more than `spare` messages were posted twice. */
  const expectOnce = async (services: readonly Service[], spare = 0) => {
    const incidents = await db.selectFrom("incidents").select("body").execute();
    for (const service of services) {
      expect(await about(service), service).toHaveLength(1);
      expect(new Set((await posted(service)).map(subjectOf)).size, service).toBe(1);
      expect(
        incidents.filter(({ body }) => body.includes(`"${service}"`)),
        service,
      ).toHaveLength(1);
    }
    expect(incidents).toHaveLength(services.length);
    const again = postedAgain();
    expect(again.length, again.map(history).join("\n")).toBeLessThanOrEqual(spare);
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "vigil-replicas-"));
    started = [];
    begin = Math.floor(Date.now() / STEP) * STEP - 37 * MINUTES;
    [postgres, slack] = await Promise.all([startPostgres(), FakeSlack.start()]);
    db = await openStateDatabase(postgres.url);
    writeFileSync(
      join(folder, "vigil.yaml"),
      JSON.stringify({
        state: { url: postgres.url, approvalKey: "ab".repeat(32), leaseSeconds: LEASE },
        detection: { stepSeconds: STEP / 1_000 },
        knowledge: { folders: [] },
        slack: { channel: "C0INC", apiUrl: slack.apiUrl, approvers: ["U1ANA"] },
      }),
    );
    // Two quiet days, which a detector learns from before it speaks, up to some minutes ago; in both folders.
    const quiet = past(SERVICES, { from: begin - QUIET, to: begin, step: STEP, seconds: 0.08 });
    mkdirSync(join(folder, "a"));
    const telemetry = await openTelemetryStore(join(folder, "a/telemetry.db"));
    telemetry.appendMetrics(quiet);
    telemetry.close();
    cpSync(join(folder, "a"), join(folder, "b"), { recursive: true });
  }, 120_000);
  afterEach(async ({ task }) => {
    const ours = started;
    started = [];
    if (task.result?.state === "fail")
      for (const vigil of ours) console.error(`The log of ${vigil.folder} ended:\n${vigil.log().slice(-2_000)}`);
    // A stopped process is killed all the same.
    await Promise.all(ours.map((vigil) => vigil.stop("SIGKILL")));
    await db.destroy();
    await slack.stop();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("one watches and tells; killed, the other takes over; stopped and woken, it neither tells nor writes any more", async () => {
    const a = await start("a");
    await a.ready();
    const b = await start("b");
    await b.ready();
    expect(await role(a)).toMatchObject({ leads: true });
    expect(await role(b)).toEqual({ leads: false, self: expect.any(String), leader: (await role(a)).self });
    const ready = async ({ url }: RunningVigil) => (await fetch(`${url}/readyz`)).json();
    expect(await ready(a)).toEqual({ name: "vigil", ready: true, role: "leader" });
    expect(await ready(b)).toEqual({ name: "vigil", ready: true, role: "follower" });
    await send(0, [a, b]);
    await told("basket");
    // The other has had the same telemetry for as long.
    await sleep(4_000);
    await expectOnce(["basket"]);

    // Killed while it leads: the other takes over when the lease has run out, and looks after what comes then.
    const killed = performance.now();
    await a.stop("SIGKILL");
    await until("the other to lead", () => leads(b));
    const after = performance.now() - killed;
    await send(1, [b]);
    await told("ledger");
    await expectOnce(["basket", "ledger"]);

    // A new one follows. The leader is stopped as soon as it has opened an investigation, and woken when its time is over.
    const c = await start("a");
    await c.ready();
    expect(await role(c)).toMatchObject({ leads: false });
    await send(1, [c]);
    await send(2, [b, c]);
    await until("the third investigation", async () => (await about("search")).length > 0, 60_000);
    b.process.kill("SIGSTOP");
    // Beyond the ten seconds after which PostgreSQL ends its open transactions, and its folder counts as left.
    const long = sleep(12_000);
    const cut = (await about("search")).map(({ state }) => state);
    await until("the new one to lead", () => leads(c));
    await told("search");
    await long;
    b.process.kill("SIGCONT");
    const leader = (await role(c)).self;
    await until("the woken one to follow", async () => !(await leads(b)) && (await role(b)).leader === leader);
    await sleep(4_000);
    // Stopped between its last look at the lease and the network, it may send the message in its hands once more: SECURITY.md says so.
    await expectOnce(["basket", "ledger", "search"], 1);
    expect(b.log()).toContain("another replica leads now");
    expect(await db.selectFrom("leaders").select(["token", "holder"]).execute()).toEqual([{ token: 3, holder: leader }]);
    expect(slack.refused).toEqual([]);
    console.info(
      `took over ${(after / 1_000).toFixed(1)} s after the kill (lease ${LEASE} s); stopped while search was ${cut.join()}; what it still wanted to write: ${b.log().split("nothing was written").length - 1} refusals`,
    );

    // A clean end gives the lease back at once.
    await c.stop();
    await until("the other to lead again", () => leads(b), LEASE * 1_000 + 5_000);
  });
});
