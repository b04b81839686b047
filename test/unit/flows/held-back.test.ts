import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { HeldBack } from "../../../src/actions/index.ts";
import { HOUR, MINUTE } from "../../../src/domain/time.ts";
import { HeldBackDigest, heldBackText } from "../../../src/flows/held-back.ts";

const wish = (target: string, percent: number, limit: HeldBack["limit"] = "proposalsPerHour"): HeldBack => ({
  target,
  summary: `${target} to ${percent} %`,
  limit,
});

describe("proposals that were held back", () => {
  it("26: are told once an hour in one message, whoever asks, and across restarts; a failed message is told later", async () => {
    const memory = new Map<string, string>();
    const told: string[] = [];
    let now = 0;
    let down = false;
    const open = () =>
      new HeldBackDigest({
        channel: {
          tell: async (_id, text) => {
            if (down) throw new Error("the store is full");
            told.push(text);
          },
        },
        memory: {
          remember: async (key, value) => void memory.set(key, JSON.stringify(value)),
          recall: async <T>(key: string) => (memory.has(key) ? (JSON.parse(memory.get(key) as string) as T) : null),
        },
        now: () => now,
        log: pino({ level: "silent" }),
      });
    const first = open();
    expect(await first.check()).toBe(false);
    await Promise.all(Array.from({ length: 22 }, (_, index) => first.note(wish(`flag:f${index % 2}`, index))));
    await first.note(wish("flag:f0", 0));
    expect(await first.check()).toBe(false);
    now = MINUTE;
    down = true;
    await expect(first.check()).rejects.toThrow("the store is full");
    down = false;
    expect([await open().check(), await first.check(), await open().check()]).toEqual([true, false, false]);
    expect(told).toEqual([expect.stringContaining("22 proposals were held back")]);
    expect(told[0]).toContain("**flag f1:** 11, the latest: flag:f1 to 21 %");

    await open().note(wish("flag:f3", 5));
    now = HOUR;
    expect(await open().check()).toBe(false);
    now = HOUR + MINUTE;
    expect([await open().check(), await open().check()]).toEqual([true, false]);
    expect(told[1]).toContain("1 proposal was held back");
  });

  it("26: names the biggest targets, how many more there are, and what makes room", () => {
    const many = Array.from({ length: 12 }, (_, index) => wish(`flag:f${index}`, 1));
    const text = heldBackText([...many, wish("flag:f11", 2, "pendingAtOnce")]);
    expect(text.split("\n")[1]).toContain("flag f11");
    expect(text).toContain("and 2 more targets");
    expect(text).toContain("decide the cards that wait");
    expect(text).toContain("`limits.proposalsPerHour` and `limits.pendingAtOnce`");
    expect(heldBackText(many)).not.toContain("decide the cards");
  });
});
