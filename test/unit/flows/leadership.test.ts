import { describe, expect, it } from "vitest";
import { type LeaderStore, Leadership, type Taken } from "../../../src/flows/leadership.ts";
import { silentLog, until } from "../../support/fake-handlers.ts";

const TERM = 300;

/** A lease in memory, by the test's own clock. */
class FakeLease implements LeaderStore {
  holder = "";
  token = 0;
  until = 0;
  broken = false;
  hang: Promise<void> = Promise.resolve();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async take(holder: string, term: number): Promise<Taken> {
    await this.hang;
    if (this.broken) throw new Error("the database is away");
    if (this.holder !== holder && this.until > this.#now())
      return { leads: false, holder: this.holder, token: this.token, left: this.until - this.#now() };
    if (this.holder !== holder) this.token++;
    this.holder = holder;
    this.until = this.#now() + term;
    return { leads: true, token: this.token };
  }

  async release(holder: string): Promise<void> {
    if (this.holder === holder) this.until = 0;
  }

  async leader() {
    return { holder: this.holder, token: this.token, left: this.until - this.#now() };
  }
}

function world() {
  const lease = new FakeLease(() => performance.now());
  const told: string[] = [];
  const replica = (holder: string, changed: Partial<ConstructorParameters<typeof Leadership>[0]> = {}) =>
    new Leadership({
      store: lease,
      holder,
      term: TERM,
      fenced: (_token, work) => work(),
      lead: async () => {
        told.push(`${holder} begins`);
        return async () => void told.push(`${holder} ends`);
      },
      elapsed: () => performance.now(),
      log: silentLog,
      ...changed,
    });
  return { lease, told, replica };
}

describe("who leads", () => {
  it("is one of two; the other follows, and takes over at once when the first one stops", async () => {
    const { told, replica } = world();
    const [one, other] = [replica("one"), replica("other")];
    await one.start();
    await other.start();
    expect([one.leads, other.leads, one.leader, other.leader]).toEqual([true, false, "one", "one"]);
    expect(() => other.run(async () => 1)).toThrow("does not lead");
    await one.stop();
    expect(one.leads).toBe(false);
    await until("the other to lead", () => other.leads);
    await other.stop();
    expect(told).toEqual(["one begins", "one ends", "other begins", "other ends"]);
  });

  it("does not claim to know who leads while nobody can be asked", async () => {
    const { lease, replica } = world();
    const [one, two] = [replica("one"), replica("two")];
    await one.start();
    await two.start();
    expect(two.leader).toBe("one");
    lease.broken = true;
    await until("the follower to notice", async () => two.leader === null);
    lease.broken = false;
    await until("it to be known again", async () => two.leader !== null);
    // A database that hangs answers nothing at all.
    let answer = () => {};
    lease.hang = new Promise((done) => {
      answer = done;
    });
    await until("both to notice", async () => one.leader === null && two.leader === null);
    expect([one.leads, two.leads]).toEqual([false, false]);
    lease.hang = Promise.resolve();
    answer();
    await until("both to know again", async () => one.leader !== null && two.leader !== null);
    await two.stop();
    await one.stop();
  });

  it("knows by its own clock when its time is over, before it could ask anybody", async () => {
    let elapsed = 0;
    const { lease, told, replica } = world();
    const paused = replica("paused", { elapsed: () => elapsed, term: 60_000 });
    await paused.start();
    expect(paused.leads).toBe(true);
    elapsed += 60_000;
    expect(paused.leads).toBe(false);
    expect(() => paused.run(async () => 1)).toThrow("does not lead");
    lease.until = 0;
    const heir = replica("heir");
    await heir.start();
    expect(lease.token).toBe(2);
    await paused.stop();
    await heir.stop();
    expect(told).toEqual(["paused begins", "heir begins", "paused ends", "heir ends"]);
  });

  it("ends its turn when another has taken it, and when the database is away beyond the term", async () => {
    const { lease, told, replica } = world();
    const one = replica("one");
    await one.start();
    Object.assign(lease, { holder: "thief", token: 9, until: performance.now() + TERM });
    await until("the turn to end", () => told.includes("one ends"));
    expect(one.leader).toBe("thief");
    await until("a turn of its own again", () => told.filter((one) => one === "one begins").length === 2);
    lease.broken = true;
    await until("the turn to end without an answer", () => told.filter((one) => one === "one ends").length === 2);
    lease.broken = false;
    await until("a third turn", () => told.filter((one) => one === "one begins").length === 3);
    await one.stop();
  });

  it("gives a turn up that could not begin, and tries again; the next begins when the last has ended", async () => {
    const { told, replica } = world();
    let fails = true;
    const one = replica("one", {
      lead: async () => {
        if (fails) throw new Error("metrics cannot be read");
        told.push("begun");
        return async () => undefined;
      },
    });
    await expect(one.start()).rejects.toThrow("metrics cannot be read");
    expect(one.leads).toBe(false);
    fails = false;
    await until("the second try", () => told.includes("begun"));
    await one.stop();
  });

  it("is always the one where the state belongs to one process", async () => {
    const { told, replica } = world();
    const alone = replica("alone", { store: null });
    await alone.start();
    expect([alone.leads, alone.alone, await alone.run(async () => 7)]).toEqual([true, true, 7]);
    await alone.stop();
    expect(told).toEqual(["alone begins", "alone ends"]);
  });
});
