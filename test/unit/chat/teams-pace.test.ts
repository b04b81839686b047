import { describe, expect, it } from "vitest";
import { Pace, TeamsError } from "../../../src/chat/teams/pace.ts";

/** A clock that moves only when somebody sleeps. */
function simulated(gap: number, random = 0.5) {
  let at = 1_000_000;
  const slept: number[] = [];
  const sleep = async (milliseconds: number) => {
    slept.push(milliseconds);
    at += milliseconds;
  };
  return { pace: new Pace({ now: () => at, sleep, random: () => random, gap }), now: () => at, slept };
}

const refused = (status: number, retryAfter: number | null = null) =>
  new TeamsError(`Teams answered ${status}.`, "later", { passing: [412, 429, 502, 504].includes(status), status, retryAfter });

describe("the pace of calls to Teams", () => {
  it("keeps a conversation to seven in a second and sixty in half a minute, in order", async () => {
    const { pace, now } = simulated(0);
    const times: number[] = [];
    await Promise.all(Array.from({ length: 70 }, () => pace.run("c1", async () => void times.push(now()))));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const within = (milliseconds: number) =>
      Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + milliseconds).length));
    expect(within(1_000)).toBe(7);
    expect(within(30_000)).toBe(60);
  });

  it("keeps all conversations together to fifty in a second", async () => {
    const { pace, now } = simulated(0);
    const times: number[] = [];
    for (let index = 0; index < 120; index++) await pace.run(`c${index}`, async () => void times.push(now()));
    const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length));
    expect(most).toBe(50);
  });

  it("leaves a gap between two messages of one conversation", async () => {
    const { pace, slept } = simulated(1_000);
    await pace.run("c1", async () => {});
    await pace.run("c1", async () => {});
    expect(slept).toEqual([1_000]);
  });

  it("a call that fails does not stop the next", async () => {
    const { pace } = simulated(0);
    const first = pace.run("c1", async () => Promise.reject(new Error("no")));
    await expect(pace.run("c1", async () => "yes")).resolves.toBe("yes");
    await expect(first).rejects.toThrow("no");
  });

  it.each([412, 429, 502, 504])("tries again after %i, with a doubling pause and jitter", async (status) => {
    for (const [random, expected] of [
      [0, [250, 500]],
      [1, [500, 1_000]],
    ] as const) {
      const { pace, slept } = simulated(0, random);
      let tries = 0;
      const call = async () => {
        tries += 1;
        if (tries < 3) throw refused(status);
        return "done";
      };
      expect(await pace.patiently(call)).toBe("done");
      expect(slept).toEqual(expected);
    }
  });

  it("waits as long as Teams asks, leaves long waits to the outbox, and gives up after three tries", async () => {
    const { pace, slept } = simulated(0);
    let tries = 0;
    await expect(
      pace.patiently(async () => {
        tries += 1;
        throw refused(429, 2_000);
      }),
    ).rejects.toMatchObject({ status: 429, retryAfter: 2_000, kind: "later" });
    expect([tries, slept]).toEqual([3, [2_000, 2_000]]);
    await expect(pace.patiently(async () => Promise.reject(refused(429, 60_000)))).rejects.toMatchObject({ retryAfter: 60_000 });
    expect(slept).toHaveLength(2);
  });

  it.each([400, 403, 404, 500])("does not try again after %i", async (status) => {
    const { pace } = simulated(0);
    let tries = 0;
    await expect(
      pace.patiently(async () => {
        tries += 1;
        throw refused(status);
      }),
    ).rejects.toThrow(String(status));
    expect(tries).toBe(1);
  });
});
