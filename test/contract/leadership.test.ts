import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Fence, StaleLeaderError } from "../../src/store/fence.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { LeaderRepository, readLeader } from "../../src/store/leadership.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { postgresDatabases } from "../support/state-places.ts";

/** The lease of the leader, and the fence around what it writes, on a real PostgreSQL. */

const places = postgresDatabases();
beforeAll(() => places.start(), 120_000);
afterAll(() => places.stop());

describe("the lease of the leader on PostgreSQL", () => {
  let url = "";
  let fence: Fence;
  let db: StateDatabase;
  let leaders: LeaderRepository;
  let memory: InvestigationRepository;
  beforeEach(async () => {
    url = await places.fresh();
    fence = new Fence();
    db = await openStateDatabase(url, fence);
    leaders = new LeaderRepository(db);
    memory = new InvestigationRepository(db);
    return () => db.destroy();
  });

  it("goes to one of twenty who ask at once", async () => {
    const asked = await Promise.all(Array.from({ length: 20 }, (_, index) => leaders.take(`r${index}`, 60_000)));
    const led = asked.filter(({ leads }) => leads);
    expect(led).toEqual([{ leads: true, token: 1 }]);
    const others = asked.flatMap((one) => (one.leads ? [] : [one.holder]));
    expect(new Set(others).size).toBe(1);
  });

  it("is renewed by its holder under the same token, and goes to another with a new one when it has run out or was given back", async () => {
    expect(await leaders.take("one", 60_000)).toEqual({ leads: true, token: 1 });
    expect(await leaders.take("other", 60_000)).toMatchObject({ leads: false, holder: "one", token: 1 });
    expect(await leaders.take("one", 50)).toEqual({ leads: true, token: 1 });
    await sleep(100);
    // Nobody took it meanwhile, so nobody else has led.
    expect(await leaders.take("one", 50)).toEqual({ leads: true, token: 1 });
    await sleep(100);
    expect(await leaders.take("other", 60_000)).toEqual({ leads: true, token: 2 });
    expect(await leaders.take("one", 60_000)).toMatchObject({ leads: false, holder: "other" });
    await leaders.release("one");
    expect(await leaders.take("one", 60_000)).toMatchObject({ leads: false });
    await leaders.release("other");
    expect(await leaders.take("one", 60_000)).toEqual({ leads: true, token: 3 });
    const pool = new pg.Pool({ connectionString: url });
    expect(await readLeader(pool)).toMatchObject({ holder: "one" });
    await pool.end();
  });

  it("lets nothing be written under an old token, in a transaction or beside one, by whatever was begun under it", async () => {
    await leaders.take("old", 60_000);
    const old = { holder: "old", token: 1 };
    const write = (key: string) => memory.remember(key, 1);
    const together = () =>
      db.transaction().execute(async (work) => {
        await work.insertInto("memory").values({ key: "within", value: "1" }).execute();
      });
    await fence.run(old, () => write("in time"));
    let handOver = () => {};
    const handedOver = new Promise<void>((done) => {
      handOver = done;
    });
    const later = fence.run(old, async () => {
      await handedOver;
      return write("begun in time, written too late");
    });
    const refused = expect(later).rejects.toThrow(StaleLeaderError);
    await leaders.release("old");
    await leaders.take("new", 60_000);
    handOver();
    await refused;
    await expect(fence.run(old, () => write("late"))).rejects.toThrow("does not lead any more");
    await expect(fence.run(old, together)).rejects.toThrow(StaleLeaderError);
    await expect(fence.run(old, () => sql`delete from memory`.execute(db))).rejects.toThrow(StaleLeaderError);
    // It reads on; what a person does is written by everyone; and no connection is left with an open transaction.
    expect(await fence.run(old, () => memory.recall("in time"))).toBe(1);
    await Promise.all(Array.from({ length: 20 }, (_, index) => write(`by a click ${index}`)));
    await fence.run({ holder: "new", token: 2 }, together);
    const rows = await db.selectFrom("memory").select("key").orderBy("key").execute();
    expect(rows.map(({ key }) => key).filter((key) => !key.startsWith("by a click"))).toEqual(["in time", "within"]);
    expect(rows).toHaveLength(22);
    const open = await sql<{
      n: number;
    }>`select count(*) as n from pg_stat_activity where state like 'idle in transaction%'`.execute(db);
    expect(open.rows[0]?.n).toBe(0);
  });

  it("survives that the server ends its connection in the middle of a transaction: that fails, and nothing else", async () => {
    const other = new pg.Client({ connectionString: url });
    await other.connect();
    const cut = db.transaction().execute(async (work) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(work);
      await other.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
      await sleep(200);
      await work.insertInto("memory").values({ key: "cut", value: "1" }).execute();
    });
    await expect(cut).rejects.toThrow();
    await other.end();
    await memory.remember("after", 1);
    expect((await db.selectFrom("memory").select("key").execute()).map(({ key }) => key)).toEqual(["after"]);
  });

  it("does not change hands between the check of a write and its commit", async () => {
    await leaders.take("old", 20);
    await sleep(40);
    const order: string[] = [];
    let begun = () => {};
    const underWay = new Promise<void>((done) => {
      begun = done;
    });
    const writing = fence.run({ holder: "old", token: 1 }, () =>
      db.transaction().execute(async (work) => {
        await work.insertInto("memory").values({ key: "slow", value: "1" }).execute();
        begun();
        await sleep(300);
        order.push("committed");
      }),
    );
    await underWay;
    await leaders.take("new", 60_000).then(() => order.push("taken"));
    await writing;
    expect(order).toEqual(["committed", "taken"]);
  });
});
