import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Cluster } from "../../src/targets/kubernetes/cluster.ts";
import { KubernetesDeploys } from "../../src/targets/kubernetes/deploys.ts";
import { KubernetesWorkloads } from "../../src/targets/kubernetes/workloads.ts";
import { type StubKubernetes, stubKubernetes } from "../support/stub-kubernetes.ts";
import { deployTargetContract } from "./deploy-target.ts";
import { survivalContract } from "./survival.ts";
import { workloadTargetContract } from "./workload-target.ts";

const open: StubKubernetes[] = [];
afterEach(async () => {
  for (const stub of open.splice(0)) await stub.close();
});

async function cluster() {
  const stub = await stubKubernetes({ namespace: "shop" });
  open.push(stub);
  stub.deploy("checkout", "registry.example:5000/checkout:1.4.0");
  return stub;
}
const connect = (stub: StubKubernetes, more: { token?: string; context?: string; timeout?: number } = {}) =>
  Cluster.open({ kubeconfig: stub.kubeconfig(more), namespace: "shop", ...more });
const deploysOf = (stub: StubKubernetes, readyWithin = 5_000) =>
  new KubernetesDeploys(() => connect(stub), { environment: "production", readyWithin });
const workloadsOf = (stub: StubKubernetes) => new KubernetesWorkloads(() => connect(stub), { environment: "production" });

let keys = 0;
const write = (expected: string | null = null) => ({
  actor: "vigil (approved by maya)",
  reason: "errors\nafter the deploy",
  idempotencyKey: `k8s-${++keys}`,
  expected,
});

deployTargetContract("Kubernetes (stub)", async () => {
  const stub = await cluster();
  stub.deploy("checkout", "registry.example:5000/checkout:1.4.1");
  return deploysOf(stub);
});
workloadTargetContract("Kubernetes (stub)", async () => workloadsOf(await cluster()));

describe("rollout undo in Kubernetes (stub)", () => {
  it("puts the whole earlier pod template back, also what Vigil has never heard of, and says who and why", async () => {
    const stub = await cluster();
    const before = structuredClone(stub.objects.deployments.get("checkout")?.spec.template);
    stub.deploy("checkout", "registry.example:5000/checkout:1.4.1", { env: "fast" });
    await deploysOf(stub).rollBack("checkout", write());
    const { spec, metadata } = stub.objects.deployments.get("checkout")!;
    expect(spec.template).toEqual(before);
    expect(metadata.annotations["kubernetes.io/change-cause"]).toBe("vigil (approved by maya): errors after the deploy");
    // The revision that is undone stays in the history, and the one gone back to is the newest now.
    expect(metadata.annotations["deployment.kubernetes.io/revision"]).toBe("3");
  });

  it("goes back past a restart, which is a revision but changes nothing that runs", async () => {
    const stub = await cluster();
    stub.deploy("checkout", "registry.example:5000/checkout:1.4.1");
    await workloadsOf(stub).restart("checkout", write());
    const deploys = deploysOf(stub);
    expect(await deploys.get("checkout")).toMatchObject({ version: "1.4.1", previousVersion: "1.4.0" });
    expect(await deploys.rollBack("checkout", write())).toMatchObject({ version: "1.4.0", previousVersion: "1.4.1" });
  });

  it("tells revisions of the same image apart, and finds them again", async () => {
    const stub = await cluster();
    stub.deploy("checkout", "registry.example:5000/checkout:1.4.0", { env: "fast" });
    const deploys = deploysOf(stub);
    expect(await deploys.get("checkout")).toMatchObject({ version: "1.4.0", previousVersion: "1.4.0 (revision 1)" });
    const back = await deploys.rollBack("checkout", write());
    expect(stub.objects.deployments.get("checkout")!.spec.template.spec.containers[1].env).toBeUndefined();
    expect(back.previousVersion).toBe("1.4.0 (revision 2)");
    await deploys.setVersion("checkout", "1.4.0 (revision 2)", write());
    expect(stub.objects.deployments.get("checkout")!.spec.template.spec.containers[1].env).toEqual([
      { name: "MODE", value: "fast" },
    ]);
  });

  it("watches until every copy is ready", async () => {
    const stub = await cluster();
    stub.deploy("checkout", "registry.example:5000/checkout:1.4.1");
    stub.state.rollout = 300;
    const began = Date.now();
    await deploysOf(stub).rollBack("checkout", write());
    expect(Date.now() - began).toBeGreaterThan(250);
    expect(Date.now() - began).toBeLessThan(4_500);
    expect(stub.requests.some(({ query }) => query.get("watch") === "true")).toBe(true);
  });

  it.each([
    [
      "stands still",
      "never" as const,
      5_000,
      /2 of 3 copies are ready \(ProgressDeadlineExceeded: ReplicaSet .*kubectl rollout status/,
    ],
    ["takes too long", 60_000, 300, /accepted, but .*not after 0\.3 s/],
  ])("says so when the rollout %s, and leaves the outcome to be read", async (_name, rollout, within, says) => {
    const stub = await cluster();
    stub.deploy("checkout", "registry.example:5000/checkout:1.4.1");
    stub.state.rollout = rollout;
    const deploys = deploysOf(stub, within);
    await expect(deploys.rollBack("checkout", write())).rejects.toMatchObject({
      message: expect.stringMatching(says),
      outcomeUnknown: true,
    });
    expect(await deploys.get("checkout")).toMatchObject({ version: "1.4.0" });
  });

  it("is refused by the server itself when somebody deploys between the look and the write", async () => {
    const stub = await cluster();
    stub.deploy("checkout", "registry.example:5000/checkout:1.4.1");
    const target = deploysOf(stub);
    const { fingerprint } = (await target.get("checkout"))!;
    const [deployments, replicaSets] = ["deployments", "replicasets"].map((plural) => ({
      body: { items: [...stub.objects[plural as "deployments"].values()].map((one) => structuredClone(one)), metadata: {} },
    }));
    stub.next.push(deployments!, replicaSets!);
    stub.deploy("checkout", "registry.example:5000/checkout:1.4.2");
    await expect(target.rollBack("checkout", write(fingerprint))).rejects.toThrow(/moved since this was decided/);
    expect(await target.get("checkout")).toMatchObject({ version: "1.4.2" });
  });

  it("will not give a tag to an image that is pinned by its digest, and has nothing to go back to at first", async () => {
    const stub = await cluster();
    stub.deploy("pay", `registry.example/pay@sha256:${"ab12".repeat(16)}`);
    const deploys = deploysOf(stub);
    expect(await deploys.get("pay")).toMatchObject({ version: "ab12ab12ab12", previousVersion: null });
    await expect(deploys.setVersion("pay", "2.0.0", write())).rejects.toThrow(/cannot be given that tag/);
    await expect(deploys.setVersion("checkout", "1.0; rm", write())).rejects.toThrow(/cannot be given that tag/);
    await expect(deploys.rollBack("pay", write())).rejects.toThrow(/no earlier revision/);
  });
});

describe("restart and scale in Kubernetes (stub)", () => {
  it("knows an autoscaler's bounds and keeps within them", async () => {
    const stub = await cluster();
    stub.autoscale("checkout", 2, 6);
    const target = workloadsOf(stub);
    expect(await target.get("checkout")).toMatchObject({ bounds: { min: 2, max: 6 }, stateful: false });
    await expect(target.scale("checkout", 7, write())).rejects.toThrow(/between 2 and 6; change the autoscaler/);
    expect(await target.scale("checkout", 6, write())).toMatchObject({ replicas: 6 });
  });

  it("knows StatefulSets, and restarts them", async () => {
    const stub = await cluster();
    stub.stateful("ledger", "registry.example/ledger:3");
    const target = workloadsOf(stub);
    expect(await target.get("ledger")).toMatchObject({ stateful: true, bounds: null, replicas: 2, restartMark: null });
    expect((await target.restart("ledger", write())).restartMark).toMatch(/^20\d\d-/);
    expect((await target.list()).map(({ service }) => service)).toEqual(["checkout", "ledger"]);
  });

  it("is not settled while copies are replaced", async () => {
    const stub = await cluster();
    stub.state.rollout = 200;
    const target = workloadsOf(stub);
    expect(await target.restart("checkout", write())).toMatchObject({ settling: true });
    await expect.poll(async () => (await target.get("checkout"))?.settling).toBe(false);
  });
});

describe("access to Kubernetes (stub)", () => {
  it("tells doctor what it found", async () => {
    const stub = await cluster();
    expect(await deploysOf(stub).check()).toMatch(
      /^Kubernetes v1\.31\.2 at 127\.0\.0\.1:\d+, namespace shop: 1 deployments, may act$/,
    );
    expect(await workloadsOf(stub).check()).toMatch(/1 workloads, 0 autoscalers, may act$/);
    stub.state.rules = [
      { apiGroups: ["apps"], resources: ["deployments", "replicasets", "statefulsets"], verbs: ["get", "list"] },
      { apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"], verbs: ["list"] },
    ];
    expect(await deploysOf(stub).check()).toMatch(/1 deployments; may read only: bind the executor's role to let it act$/);
  });

  it("says what to correct: a wrong token, a missing right, a context or file that is not there", async () => {
    const stub = await cluster();
    const wrong = new KubernetesDeploys(() => connect(stub, { token: "nobody" }), { environment: "production", readyWithin: 1 });
    await expect(wrong.check()).rejects.toThrow(/does not accept the credentials.*kubernetes\.kubeconfig/);
    stub.state.rules = [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list"] }];
    await expect(deploysOf(stub).list()).rejects.toThrow(/forbids GET .*replicasets.*bind the reader's role/);
    await expect(connect(stub, { context: "moon" })).rejects.toThrow(/no context moon; it has: stub/);
    await expect(Cluster.open({ kubeconfig: "/nowhere/config", namespace: "shop" })).rejects.toThrow(/kubernetes\.kubeconfig/);
    await expect(Cluster.open({ namespace: "shop" })).rejects.toThrow(/kubernetes\.kubeconfig/);
  });
});

/** A kubeconfig for an address where something else than an API server answers. */
function kubeconfigFor(server: string): string {
  const file = join(mkdtempSync(join(tmpdir(), "vigil-kubeconfig-")), "config");
  const config = {
    clusters: [{ name: "c", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
const failing = (url: string, timeout: number) => () =>
  Cluster.open({ kubeconfig: kubeconfigFor(url), namespace: "shop", timeout });
survivalContract("Kubernetes", (url, timeout) =>
  new KubernetesDeploys(failing(url, timeout), { environment: "p", readyWithin: 1 }).list(),
);
survivalContract("Kubernetes", (url, timeout) => new KubernetesWorkloads(failing(url, timeout), { environment: "p" }).check());
