import { mkdtempSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { holdFolder } from "../../../src/wiring/folder-lock.ts";
import { until } from "../../support/fake-handlers.ts";

/** The shortest that the lock's library takes: a sign of life each second. */
const STALE = 5_000;

describe("the folder of one process", () => {
  const folder = () => mkdtempSync(join(tmpdir(), "vigil-lock-"));
  const options = (lost: () => void = () => expect.unreachable("it was not lost")) => ({ lost, stale: STALE, patience: 0 });

  it("is refused to a second one until the first lets go", async () => {
    const place = folder();
    const letGo = await holdFolder(place, options());
    await expect(holdFolder(place, options())).rejects.toThrow("already being held");
    await letGo();
    await (await holdFolder(place, options()))();
  });

  it("is taken again by one that was stopped for long and finds it as it left it", async () => {
    const place = folder();
    const letGo = await holdFolder(place, options());
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(`${place}.lock`, longAgo, longAgo);
    await until("a sign of life", () => statSync(`${place}.lock`).mtimeMs > longAgo.getTime() + 30_000);
    await expect(holdFolder(place, options())).rejects.toThrow("already being held");
    await letGo();
    await (await holdFolder(place, options()))();
  });

  it("is lost to another that took it meanwhile, and that is said", async () => {
    const place = folder();
    let lost = false;
    const letGo = await holdFolder(
      place,
      options(() => {
        lost = true;
      }),
    );
    const others = new Date(Date.now() + 1_000);
    utimesSync(`${place}.lock`, others, others);
    await until("the loss", () => lost);
    await letGo();
  });
});
