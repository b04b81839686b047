import { describe, expect, it } from "vitest";
import { Lines } from "../../../src/chat/lines.ts";

describe("lines", () => {
  const pause = (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds));

  it("keep the order under one key, whatever each takes and however it ends, and let other keys pass", async () => {
    const lines = new Lines();
    const ended: string[] = [];
    const work = (name: string, milliseconds: number) => async () => {
      await pause(milliseconds);
      ended.push(name);
      if (name === "b") throw new Error("b failed");
      return name;
    };
    const [a, b, c, other] = [
      lines.run("one", work("a", 30)),
      lines.run("one", work("b", 1)),
      lines.run("one", work("c", 1)),
      lines.run("two", work("other", 1)),
    ];
    await expect(b).rejects.toThrow("b failed");
    expect(await Promise.all([a, c, other])).toEqual(["a", "c", "other"]);
    expect(ended).toEqual(["other", "a", "b", "c"]);
  });

  it("are held by a rest after the work, which the worker does not wait for", async () => {
    const lines = new Lines();
    let rested = false;
    const first = lines.run(
      "one",
      async () => "done",
      async () => {
        await pause(20);
        rested = true;
      },
    );
    expect(await first).toBe("done");
    expect(rested).toBe(false);
    expect(await lines.run("one", async () => rested)).toBe(true);
  });
});
