import { afterEach, describe, expect, it } from "vitest";
import { LaunchDarkly } from "../../src/targets/launchdarkly/index.ts";
import { type StubLaunchDarkly, stubLaunchDarkly } from "../support/stub-launchdarkly.ts";
import { flagProviderContract } from "./flag-provider.ts";
import { survivalContract } from "./survival.ts";

const WHO = { token: "api-0123", project: "shop", environment: "production" };
const open: StubLaunchDarkly[] = [];
afterEach(async () => {
  for (const stub of open.splice(0)) await stub.close();
});

async function launchDarkly(more: Partial<typeof WHO> = {}) {
  const stub = await stubLaunchDarkly(WHO);
  open.push(stub);
  stub.createFlag("rollout", 10, { tags: ["service:catalog", "web"], description: "New key layout" });
  return { stub, flags: new LaunchDarkly({ url: stub.url, ...WHO, ...more }) };
}
let keys = 0;
const write = (expected: string | null = null) => ({
  actor: "vigil (approved by maya)",
  reason: "latency",
  idempotencyKey: `ld-${++keys}`,
  expected,
});

flagProviderContract("LaunchDarkly (stub)", async () => (await launchDarkly()).flags);

describe("LaunchDarkly (stub)", () => {
  it("says who and why in its audit log, and names services from tags", async () => {
    const { stub, flags } = await launchDarkly();
    expect(await flags.setPercent("rollout", 0, write())).toMatchObject({ services: ["catalog"], description: "New key layout" });
    expect(stub.comments).toEqual(["vigil (approved by maya): latency"]);
  });

  it("leaves individual targets alone, and puts back those that somebody changed meanwhile", async () => {
    const { stub, flags } = await launchDarkly();
    const at = stub.flags.get("rollout")!.environments.production!;
    at.targets = [{ variation: 0, values: ["maya"], contextKind: "user" }];
    const before = await flags.get("rollout");
    const snapshot = await flags.snapshot("rollout");
    await flags.setPercent("rollout", 1, write());
    expect(stub.flags.get("rollout")!.environments.production!.targets).toEqual(at.targets);
    stub.flags.get("rollout")!.environments.production!.targets = [];
    expect((await flags.restore("rollout", snapshot, write())).fingerprint).toBe(before?.fingerprint);
  });

  it("does not guess the share of a flag with rules of its own, but switches it", async () => {
    const { stub, flags } = await launchDarkly();
    const clauses = [{ contextKind: "user", attribute: "plan", op: "in", values: ["gold"], negate: false }];
    stub.flags.get("rollout")!.environments.production!.rules = [{ _id: "r1", clauses, variation: 0 }];
    expect(await flags.get("rollout")).toMatchObject({ percent: 100 });
    await expect(flags.setPercent("rollout", 0, write())).rejects.toThrow(/1 targeting rule of its own.*Switch it off/);
    await expect(flags.pinCohort("rollout", "test", true, write())).rejects.toThrow(/targeting rule/);
    expect(await flags.setEnabled("rollout", false, write())).toMatchObject({ enabled: false });
  });

  it("reads all pages, without archived flags", async () => {
    const { stub, flags } = await launchDarkly();
    for (let number = 0; number < 120; number++) stub.createFlag(`flag-${number}`, 50);
    stub.flags.get("flag-7")!.archived = true;
    expect(await flags.list()).toHaveLength(120);
    expect(await flags.get("flag-7")).toBeNull();
    expect(await flags.check()).toMatch(/^LaunchDarkly at 127\.0\.0\.1:\d+, shop in production: 121 flags$/);
  });

  it("says what to correct, and that nothing was done, when it is refused", async () => {
    await expect((await launchDarkly({ token: "sdk-1" })).flags.check()).rejects.toThrow(
      /does not accept the token.*flags\.token/,
    );
    await expect((await launchDarkly({ environment: "moon" })).flags.check()).rejects.toThrow(/no environment moon.*production/);
    const { stub, flags } = await launchDarkly();
    stub.next.push(
      { body: stub.flags.get("rollout") },
      { status: 409, body: { code: "optimistic_locking_error", message: "Conflict. Optimistic lock error. Try again." } },
    );
    await expect(flags.setPercent("rollout", 0, write())).rejects.toMatchObject({ outcomeUnknown: false });
    stub.next.push({ body: stub.flags.get("rollout") }, { status: 503, body: "" });
    await expect(flags.setPercent("rollout", 0, write())).rejects.toMatchObject({ outcomeUnknown: true });
  });
});

survivalContract("LaunchDarkly", (url, timeout) => new LaunchDarkly({ url, ...WHO, timeout }).list());
survivalContract("LaunchDarkly", (url, timeout) => new LaunchDarkly({ url, ...WHO, timeout }).check());
