import { afterEach, describe, expect, it } from "vitest";
import { ArgoCd, type ArgoCdOptions } from "../../src/targets/argocd/index.ts";
import { type StubArgoCd, stubArgoCd } from "../support/stub-argocd.ts";
import { deployTargetContract } from "./deploy-target.ts";
import { survivalContract } from "./survival.ts";

const open: StubArgoCd[] = [];
afterEach(async () => {
  for (const stub of open.splice(0)) await stub.close();
});
const WHO = { token: "argo-token", environment: "production", readyWithin: 2_000, pollEvery: 10 };
async function argo(more: Partial<ArgoCdOptions> = {}) {
  const stub = await stubArgoCd(WHO);
  open.push(stub);
  stub.deploy("checkout", "1.4.0");
  stub.deploy("checkout", "1.4.1");
  return { stub, target: new ArgoCd({ url: stub.url, ...WHO, ...more }) };
}
let keys = 0;
const write = (expected: string | null = null) => ({
  actor: "vigil (approved by maya)",
  reason: "errors",
  idempotencyKey: `argo-${++keys}`,
  expected,
});

deployTargetContract("Argo CD (stub)", async () => (await argo()).target);

describe("Argo CD (stub)", () => {
  it("rolls back by the id in the history, prunes nothing, and waits until the sync is over", async () => {
    const { stub, target } = await argo();
    stub.state.looks = 3;
    await target.rollBack("checkout", write());
    const sent = stub.requests.filter(({ method }) => method === "POST");
    expect(sent).toMatchObject([
      {
        path: "/api/v1/applications/checkout/rollback",
        body: { name: "checkout", id: 0, prune: false, appNamespace: "argocd" },
      },
    ]);
    expect(stub.requests.filter(({ path, method }) => method === "GET" && path.endsWith("/checkout"))).toHaveLength(4);
  });

  it("refuses under automated sync, and says what to do instead", async () => {
    const { stub, target } = await argo();
    stub.deploy("pay", "2.0.0", { automated: true });
    stub.deploy("pay", "2.0.1");
    await expect(target.rollBack("pay", write())).rejects.toThrow(/automatically.*deploys\.kind: gitops/);
    expect(await target.check()).toMatch(/^Argo CD v2\.13\.2\+dc43124 at .*: 2 applications, 1 of them synced automatically/);
  });

  it("tells a failed sync, and one that takes too long, apart", async () => {
    const { stub, target } = await argo();
    stub.state.outcome = "Failed";
    await expect(target.rollBack("checkout", write())).rejects.toMatchObject({
      message: expect.stringMatching(/failed: one or more objects/),
      outcomeUnknown: false,
    });
    const slow = await argo({ readyWithin: 50 });
    slow.stub.state.looks = 1_000;
    await expect(slow.target.rollBack("checkout", write())).rejects.toMatchObject({
      message: expect.stringMatching(/not over after 0\.05 s \(Running\)/),
      outcomeUnknown: true,
    });
  });

  it("sees only its project, shortens commits, and knows the service by annotation", async () => {
    const { stub, target } = await argo({ project: "shop" });
    stub.deploy("other-team", "1", { project: "them" });
    stub.deploy("web-app", "a".repeat(40));
    stub.applications.get("web-app")!.metadata.annotations["resource.opentelemetry.io/service.name"] = "storefront";
    expect((await target.list()).map(({ service }) => service)).toEqual(["checkout", "storefront"]);
    expect(await target.get("storefront")).toMatchObject({ version: "aaaaaaa", previousVersion: null });
    await expect(target.rollBack("storefront", write())).rejects.toThrow(/no earlier deployment/);
    await expect((await argo({ token: "wrong" })).target.list()).rejects.toThrow(/does not accept the token.*deploys\.token/);
    expect(await (await argo({ project: "nobody" })).target.list()).toEqual([]);
  });
});

survivalContract("Argo CD", (url, timeout) => new ArgoCd({ url, ...WHO, timeout }).list());
