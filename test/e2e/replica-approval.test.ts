import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Card } from "../../src/chat/card.ts";
import { OtlpExporter } from "../../src/demo/export.ts";
import type { Proposal } from "../../src/domain/proposal.ts";
import { HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { until } from "../support/fake-handlers.ts";
import { type Postgres, startPostgres } from "../support/postgres.ts";
import { BOUNDS, DURATION, past, requests } from "../support/steady-service.ts";
import { type RunningVigil, startVigil } from "./app.ts";

/**
 * Two real processes on one real PostgreSQL and one real flag file: what the leader found and proposed is approved at the follower. The leader is
 * killed while the effect is watched; the action does not help, so the other undoes it. Then PostgreSQL goes away.
 */

const STEP = 10 * SECOND;
const QUIET = 51 * HOUR;
const USUAL = 0.08;
const SLOW = 0.3;
const FLAG = "quick-basket";

/** What a flag does; who changed it last and why is no behaviour. */
function behaviour(file: string): object {
  const { flags } = JSON.parse(readFileSync(file, "utf8")) as { flags: Record<string, Record<string, unknown>> };
  const { metadata: _, ...rest } = flags[FLAG] ?? {};
  return rest;
}

const switchedOff = (one: object) => JSON.stringify(one).includes('["on",0]') || JSON.stringify(one).includes("DISABLED");

describe("an approval at a follower", { timeout: 4 * MINUTE }, () => {
  let folder: string;
  let flagFile: string;
  let started: RunningVigil[];
  let postgres: Postgres;
  let db: StateDatabase;
  let sending: NodeJS.Timeout;

  const start = async (name: string): Promise<RunningVigil> => {
    const vigil = await startVigil(join(folder, name), {
      NODE_ENV: "test",
      VIGIL_CONFIG: join(folder, "vigil.yaml"),
      VIGIL_DEMO: "off",
    });
    started.push(vigil);
    await vigil.ready();
    return vigil;
  };
  const proposals = async (): Promise<(Proposal & { outcome: string | null })[]> => {
    const rows = await db.selectFrom("proposals").select(["body", "state", "outcome"]).execute();
    return rows.map(({ body, state, outcome }) => ({ ...(JSON.parse(body) as Proposal), state, outcome }) as Proposal);
  };
  const audit = async () => db.selectFrom("audit").select(["kind", "actor", "subject"]).orderBy("seq").execute();
  /** What pressing Approve on the card as it is now sends; the button may be gone when it is pressed again. */
  const button = async (id: string) => {
    const message = `proposal:${id}`;
    const row = await db.selectFrom("channel_messages").select("body").where("id", "=", message).executeTakeFirst();
    const { buttons } = JSON.parse(row?.body ?? '{"buttons":[]}') as Card;
    const { rev, nonce } = buttons.find(({ type }) => type === "approve") as { rev: number; nonce: string };
    return { proposalId: id, rev, nonce, verdict: "approve", message };
  };
  const press = async ({ url }: RunningVigil, body: object, user: string) => {
    const { token } = (await (await fetch(`${url}/api/session`)).json()) as { token: string };
    const answer = await fetch(`${url}/api/decisions`, {
      method: "POST",
      headers: { origin: url, "x-vigil-token": token, "content-type": "application/json" },
      body: JSON.stringify({ ...body, user }),
    });
    return { status: answer.status, ...((await answer.json()) as { accepted: boolean; text: string }) };
  };
  const ready = async ({ url }: RunningVigil) => {
    const response = await fetch(`${url}/readyz`);
    return { status: response.status, ...((await response.json()) as { role: string | null }) };
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "vigil-approval-"));
    flagFile = join(folder, "flags.json");
    started = [];
    postgres = await startPostgres();
    db = await openStateDatabase(postgres.url);
    const now = Math.floor(Date.now() / STEP) * STEP;
    const raised = now - 12 * MINUTE;
    writeFileSync(
      join(folder, "vigil.yaml"),
      JSON.stringify({
        state: { url: postgres.url, approvalKey: "cd".repeat(32), leaseSeconds: 3 },
        detection: { stepSeconds: STEP / SECOND },
        knowledge: { folders: [] },
        flags: { kind: "flagd", file: flagFile },
        actions: { verificationMinutes: 0.5, causalTestMinutes: 0.25 },
      }),
    );
    writeFileSync(
      flagFile,
      JSON.stringify({
        flags: {
          [FLAG]: {
            state: "ENABLED",
            variants: { on: true, off: false },
            defaultVariant: "off",
            targeting: {
              fractional: [
                ["on", 40],
                ["off", 60],
              ],
            },
            metadata: { services: "basket", updatedBy: "cleo", updatedAt: new Date(raised).toISOString(), previous: "0% on" },
          },
        },
      }),
    );
    mkdirSync(join(folder, "a"));
    const telemetry = await openTelemetryStore(join(folder, "a/telemetry.db"));
    telemetry.appendMetrics(past(["basket"], { from: now - QUIET, to: raised + 15 * SECOND, step: STEP, seconds: USUAL }));
    telemetry.appendMetrics(past(["basket"], { from: raised + 15 * SECOND, to: now, step: STEP, seconds: SLOW }));
    telemetry.close();
    cpSync(join(folder, "a"), join(folder, "b"), { recursive: true });
    // It stays slow, whatever becomes of the flag: the flag is innocent.
    let next = now;
    sending = setInterval(() => {
      const histogram: ReturnType<typeof requests>[] = [];
      for (; next <= Date.now(); next += STEP) histogram.push(requests(next, SLOW));
      if (histogram.length === 0) return;
      for (const { url } of started) {
        const batch = { service: "basket", name: DURATION, unit: "s", bounds: BOUNDS, histogram };
        void new OtlpExporter(url, () => false).metrics([batch]).catch(() => undefined);
      }
    }, SECOND);
  }, 2 * MINUTE);
  afterEach(async ({ task }) => {
    clearInterval(sending);
    if (task.result?.state === "fail")
      for (const vigil of started) console.error(`The log of ${vigil.folder} ended:\n${vigil.log().slice(-4_000)}`);
    await Promise.all(started.map((vigil) => vigil.stop("SIGKILL")));
    await db.destroy().catch(() => undefined);
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("runs there, is watched on when the leader is killed, is undone when it does not help, and nothing is done twice", async () => {
    const before = behaviour(flagFile);
    const leader = await start("a");
    const follower = await start("b");
    expect([(await ready(leader)).role, (await ready(follower)).role]).toEqual(["leader", "follower"]);
    const pending = async () => (await proposals()).find(({ state }) => state === "pending");
    const { id, investigationId } = await until("the leader's proposal", pending, 60_000);
    expect(behaviour(flagFile)).toEqual(before);

    const approve = await until("its card", () => button(id).catch(() => null), 10_000);
    expect(await press(follower, approve, "Ana")).toMatchObject({ status: 200, accepted: true });
    expect(await press(leader, approve, "Ben")).toMatchObject({ status: 409, accepted: false });
    await until("the flag to be off", () => switchedOff(behaviour(flagFile)), 20_000);
    await until("the watch", async () => (await proposals())[0]?.state === "verifying", 20_000);
    const ran = await db.selectFrom("executions").select(["proposal_id", "body"]).execute();
    const { self } = ((await (await fetch(`${follower.url}/healthz`)).json()) as { replica: { self: string } }).replica;
    expect(ran.map(({ proposal_id, body }) => [proposal_id, (JSON.parse(body) as { holder: string }).holder])).toEqual([
      [id, self],
    ]);

    await leader.stop("SIGKILL");
    await until("the undo", () => JSON.stringify(behaviour(flagFile)) === JSON.stringify(before), 150_000);
    await until("the undo on record", async () => (await audit()).some(({ kind }) => kind === "undone"), 20_000);
    expect((await ready(follower)).role).toBe("leader");
    const { state, outcome } = (await proposals())[0] ?? {};
    expect([state, outcome]).toEqual(["undone", expect.stringMatching(/no evidence of help.*read back as it was/)]);
    // Each step once, by whoever: one execution, one undo; one investigation and one card for the one thing that is wrong.
    const trail = (await audit()).map(({ kind }) => kind).sort();
    expect(trail).toEqual(["approved", "executing", "proposed", "refused", "rolling_back", "undone", "verifying"]);
    expect(await db.selectFrom("executions").select("proposal_id").execute()).toEqual([{ proposal_id: id }]);
    expect(await db.selectFrom("investigations").select("id").execute()).toEqual([{ id: investigationId }]);
    const cards = await db.selectFrom("channel_messages").select("id").where("kind", "=", "card").execute();
    expect(cards.map((one) => one.id).sort()).toEqual([`investigation:${investigationId}`, `proposal:${id}`]);

    // Without its PostgreSQL a replica is alive and not ready.
    await db.destroy();
    await postgres.stop();
    await until("it to say that it is not ready", async () => (await ready(follower)).status === 503, 20_000);
    expect((await fetch(`${follower.url}/healthz`)).status).toBe(200);
  });
});
