import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { Cluster } from "../../../src/targets/kubernetes/cluster.ts";
import { KubernetesDeploys } from "../../../src/targets/kubernetes/deploys.ts";
import { KubernetesWorkloads } from "../../../src/targets/kubernetes/workloads.ts";
import { objects, renderChart, renderNotes } from "../../support/chart.ts";
import { type Rule, stubKubernetes } from "../../support/stub-kubernetes.ts";

const install = resolve(import.meta.dirname, "../../../src/install");
const chart = join(install, "helm/vigil");
const release = { name: "vigil", namespace: "vigil" };
// biome-ignore lint/suspicious/noExplicitAny: Kubernetes' objects are deep, and tests reach into them freely
type Json = Record<string, any>;
const keyed = (all: Json[]) =>
  Object.fromEntries(all.map((one) => [`${one.kind}/${one.metadata.namespace}/${one.metadata.name}`, one]));

const plain: Json[] = readdirSync(join(install, "kubernetes"))
  .filter((file) => file !== "kustomization.yaml")
  .flatMap((file) => objects(readFileSync(join(install, "kubernetes", file), "utf8")));

/** kubectl brings kustomize; on CI it must be there. */
function kustomized(): Json[] | null {
  try {
    return objects(execFileSync("kubectl", ["kustomize", join(install, "kubernetes")], { encoding: "utf8" }));
  } catch (error) {
    if (process.env.CI === "true") throw new Error("kubectl is missing or refuses; .ci/run installs it", { cause: error });
    process.stderr.write("SKIPPED: the manifests as kubectl renders them. Install it: apt-get install kubernetes-client\n");
    return null;
  }
}

describe("the manifests", () => {
  const rendered = kustomized();

  it.skipIf(rendered === null)("are what kubectl kustomize makes of them", () => {
    expect(keyed(rendered ?? [])).toEqual(keyed(plain));
  });

  it("are what the chart renders with its defaults", () => {
    expect(keyed(renderChart(chart, release))).toEqual(keyed(plain));
  });

  it("run Vigil as nobody in particular: not root, nothing writable but its state, no privileges", () => {
    const { spec } = keyed(plain)["Deployment/vigil/vigil"]?.spec.template ?? {};
    expect(spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1_000,
      seccompProfile: { type: "RuntimeDefault" },
    });
    const [container] = spec.containers;
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(container.livenessProbe.httpGet).toEqual({ path: "/healthz", port: "http" });
    const mounts = container.volumeMounts.map(({ name }: Json) => name).sort();
    expect(spec.volumes.map(({ name }: Json) => name).sort()).toEqual(mounts);
    expect(keyed(plain)["Service/vigil/vigil"]?.spec.selector).toEqual(
      keyed(plain)["Deployment/vigil/vigil"]?.spec.selector.matchLabels,
    );
  });

  it("of several replicas need PostgreSQL, and say so; with it each has a folder of its own, apart from the others", () => {
    expect(() => renderChart(chart, release, { replicas: 2 })).toThrow(
      /replicas is more than 1.*SQLite.*VIGIL_STATE_URL.*postgresql/,
    );
    const all = keyed(renderChart(chart, release, { replicas: 3, postgresql: true }));
    expect(Object.keys(all)).not.toContain("Deployment/vigil/vigil");
    expect(Object.keys(all)).not.toContain("PersistentVolumeClaim/vigil/vigil");
    const { spec } = all["StatefulSet/vigil/vigil"] ?? {};
    expect(spec).toMatchObject({ replicas: 3, serviceName: "vigil", podManagementPolicy: "Parallel" });
    expect(spec.strategy).toBeUndefined();
    expect(spec.volumeClaimTemplates[0]).toMatchObject({ metadata: { name: "state" } });
    const { affinity, containers, volumes } = spec.template.spec;
    const [apart] = affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution;
    expect(apart.podAffinityTerm.labelSelector.matchLabels).toEqual(spec.selector.matchLabels);
    const [container] = containers;
    // Kubernetes starts no container whose Secret lacks a key that is not optional.
    for (const key of ["VIGIL_STATE_URL", "VIGIL_APPROVAL_KEY"])
      expect(container.env).toContainEqual({ name: key, valueFrom: { secretKeyRef: { name: "vigil", key } } });
    expect(container.readinessProbe.httpGet).toEqual({ path: "/readyz", port: "http" });
    const mounted = [...volumes, ...spec.volumeClaimTemplates.map(({ metadata }: Json) => metadata)].map(
      ({ name }: Json) => name,
    );
    expect(mounted.sort()).toEqual(container.volumeMounts.map(({ name }: Json) => name).sort());
    expect(all["PodDisruptionBudget/vigil/vigil"]?.spec).toEqual({ maxUnavailable: 1, selector: spec.selector });
  });

  it("lose no state when a release goes from SQLite to PostgreSQL: Helm keeps the claim, and what that means is told", () => {
    const before = keyed(renderChart(chart, release))["PersistentVolumeClaim/vigil/vigil"];
    expect(before?.metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
    const claims = renderChart(chart, release, { postgresql: true }).flatMap(({ kind, spec }: Json) =>
      kind === "StatefulSet" ? spec.volumeClaimTemplates.map(({ metadata }: Json) => `${metadata.name}-vigil-0`) : [],
    );
    // A StatefulSet's claims are named for its pods, so that the new ones never come upon the old file.
    expect(claims).toEqual(["state-vigil-0"]);
    expect(renderNotes(chart, release)).toMatch(/SQLite file in the claim "vigil", which stays/);
    const notes = renderNotes(chart, release, { postgresql: true });
    expect(notes).toMatch(/the claim is kept, but nothing of it is read.*begins anew/);
    expect(notes).toContain("kubectl annotate --namespace vigil pvc vigil helm.sh/resource-policy=keep");
    expect(notes).not.toContain("SQLite");
  });

  it.skipIf(rendered === null)("of several replicas are taken by kubectl", () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-replicas-"));
    const all = renderChart(chart, release, { replicas: 2, postgresql: true });
    writeFileSync(join(folder, "all.yaml"), all.map((one) => JSON.stringify(one)).join("\n---\n"));
    writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify({ resources: ["all.yaml"] }));
    const taken = objects(execFileSync("kubectl", ["kustomize", folder], { encoding: "utf8" }));
    expect(keyed(taken)).toEqual(keyed(all));
  });

  it("hold a configuration that Vigil understands, in both forms", () => {
    for (const all of [
      plain,
      renderChart(chart, release, { config: { metrics: { kind: "prometheus", url: "http://prom:9090" } } }),
    ]) {
      const folder = mkdtempSync(join(tmpdir(), "vigil-manifest-"));
      writeFileSync(join(folder, "vigil.yaml"), keyed(all)["ConfigMap/vigil/vigil"]?.data["vigil.yaml"]);
      expect(loadConfig({}, folder)).toMatchObject({ kubernetes: { namespace: "shop" }, deploys: { kind: "kubernetes" } });
    }
  });
});

describe("rights in the services' namespace", () => {
  const open: { close(): Promise<void> }[] = [];
  afterAll(async () => {
    for (const one of open) await one.close();
  });
  const rulesOf = (all: Json[], name: string): Rule[] => keyed(all)[`Role/shop/${name}`]?.rules ?? [];
  const write = { actor: "vigil (approved by maya)", reason: "errors", expected: null };

  async function acting(rules: Rule[]) {
    const stub = await stubKubernetes({ namespace: "shop" });
    open.push(stub);
    stub.deploy("checkout", "checkout:1");
    stub.deploy("checkout", "checkout:2");
    stub.stateful("ledger", "ledger:1");
    stub.state.rules = rules;
    const cluster = () => Cluster.open({ kubeconfig: stub.kubeconfig(), namespace: "shop" });
    return {
      deploys: new KubernetesDeploys(cluster, { environment: "production", readyWithin: 2_000 }),
      workloads: new KubernetesWorkloads(cluster, { environment: "production" }),
    };
  }

  it("34: of the reader are enough to see, and let nothing change (stub API server with these rules)", async () => {
    const { deploys, workloads } = await acting(rulesOf(plain, "vigil-reader"));
    expect(await deploys.list()).toHaveLength(1);
    expect(await workloads.list()).toHaveLength(2);
    expect(await workloads.check()).toContain("2 workloads");
    await expect(deploys.rollBack("checkout", { ...write, idempotencyKey: "1" })).rejects.toThrow(/forbids PATCH.*executor/);
    expect(await deploys.get("checkout")).toMatchObject({ version: "2" });
  });

  it("of reader and executor are enough to roll back, restart and scale", async () => {
    const { deploys, workloads } = await acting([...rulesOf(plain, "vigil-reader"), ...rulesOf(plain, "vigil-executor")]);
    expect(await deploys.rollBack("checkout", { ...write, idempotencyKey: "1" })).toMatchObject({ version: "1" });
    expect(await workloads.restart("ledger", { ...write, idempotencyKey: "2" })).toMatchObject({ stateful: true });
    expect(await workloads.scale("checkout", 5, { ...write, idempotencyKey: "3" })).toMatchObject({ replicas: 5 });
  });

  it("are split: the chart leaves the executor out, nobody may read Secrets, and the bindings name the account", () => {
    const reading = keyed(renderChart(chart, release, { rbac: { executor: false } }));
    expect(Object.keys(reading)).not.toContain("Role/shop/vigil-executor");
    expect(Object.keys(reading)).toContain("Role/shop/vigil-reader");
    const elsewhere = keyed(renderChart(chart, { name: "v", namespace: "ops" }, { services: { namespace: "store" } }));
    expect(elsewhere["RoleBinding/store/vigil-reader"]?.subjects).toEqual([
      { kind: "ServiceAccount", name: "vigil", namespace: "ops" },
    ]);
    for (const name of ["vigil-reader", "vigil-executor"]) {
      for (const { resources, verbs } of rulesOf(plain, name)) {
        expect([...resources, ...verbs]).not.toEqual(expect.arrayContaining([expect.stringMatching(/secrets|\*|delete|create/)]));
      }
    }
  });
});

describe("the Dockerfile", () => {
  const text = readFileSync(resolve(install, "../../Dockerfile"), "utf8");

  it("runs as a numbered user that is not root, and asks its own health", () => {
    const stages = text.split(/^FROM /m).slice(1);
    expect(stages.at(-1)).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(stages.at(-1)).toMatch(/^HEALTHCHECK .*\/healthz/m);
    expect(text).not.toMatch(/(TOKEN|SECRET|PASSWORD)=/);
  });

  it("copies what exists", () => {
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files]) => (files ?? "").split(" "));
    const root = readdirSync(resolve(install, "../.."));
    expect(copied.length).toBeGreaterThan(3);
    for (const file of copied) expect(root).toContain(file);
  });
});
