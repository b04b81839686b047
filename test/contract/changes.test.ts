import { afterEach, describe, expect, it } from "vitest";
import { watchArgoCd } from "../../src/sources/argocd/index.ts";
import { type DeploymentCursor, watchGithub } from "../../src/sources/github/index.ts";
import { type UpdatedCursor, watchGitlab } from "../../src/sources/gitlab/index.ts";
import { type RolloutCursor, watchRollouts } from "../../src/sources/kubernetes/index.ts";
import { watchUnleash } from "../../src/sources/unleash/index.ts";
import { Cluster } from "../../src/targets/kubernetes/cluster.ts";
import { KubernetesWorkloads } from "../../src/targets/kubernetes/workloads.ts";
import { memoryWatching } from "../support/memory-watching.ts";
import { stubArgoCd } from "../support/stub-argocd.ts";
import { stubKubernetes } from "../support/stub-kubernetes.ts";
import { type StubAnswer, stubServer } from "../support/stub-server.ts";
import { survivalContract } from "./survival.ts";

const NOW = Date.UTC(2026, 2, 3, 2, 47);
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString().replace(".000", "");
const SHA = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";
const servicesOf = (name: string) => (name === "acme/parcel" ? ["parcel"] : []);
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

describe("GitHub's deployments API (stub)", () => {
  async function github() {
    const deployments = new Map<number, { created: string; states: { state: string; at: string }[] }>();
    const server = await stubServer(({ method, path, headers, query }): StubAnswer => {
      if (headers.authorization !== "Bearer ghp_1") return { status: 401, body: { message: "Bad credentials" } };
      if (method !== "GET" || !headers["user-agent"]) return { status: 403, body: { message: "Forbidden" } };
      const [, id] = /^\/repos\/acme\/parcel\/deployments\/(\d+)\/statuses$/.exec(path) ?? [];
      if (path === "/repos/acme/parcel/deployments") {
        const [size, page] = [Number(query.get("per_page")), Number(query.get("page"))];
        const newest = [...deployments].sort(([a], [b]) => b - a).slice((page - 1) * size, page * size);
        return {
          body: newest.map(([number, { created }]) => ({
            id: number,
            sha: SHA,
            ref: "main",
            environment: "production",
            description: null,
            creator: { login: "maya" },
            created_at: created,
          })),
        };
      }
      if (id) {
        const { states = [] } = deployments.get(Number(id)) ?? {};
        return {
          body: states.map(({ state, at }, index) => ({
            id: Number(id) * 100 + index,
            state,
            description: "",
            created_at: at,
            environment_url: "",
            log_url: "https://ci.example/1",
          })),
        };
      }
      if (path === `/repos/acme/parcel/commits/${SHA}/pulls`) {
        const pull = {
          number: 12,
          title: "Cache quotes by postcode",
          body: "Quotes are kept for an hour, so that the carrier is asked less.",
          html_url: "https://github.com/acme/parcel/pull/12",
          merged_at: ago(20),
          merge_commit_sha: SHA,
          user: { login: "maya" },
          base: { ref: "main" },
          labels: [],
        };
        return { body: [pull, { ...pull, number: 13, merged_at: null }] };
      }
      return { status: 404, body: { message: "Not Found" } };
    });
    open.push(server);
    const memory = memoryWatching<DeploymentCursor>(() => NOW);
    const place = { url: server.url, token: "ghp_1", repository: "acme/parcel", servicesOf };
    return { server, deployments, ...memory, watcher: watchGithub({ ...memory.watching, ...place }) };
  }

  it("tells a deployment when it has succeeded, once, after the pull request of its commit", async () => {
    const { deployments, taken, watcher } = await github();
    deployments.set(1, { created: ago(3 * 24 * 60), states: [{ state: "success", at: ago(3 * 24 * 60) }] });
    deployments.set(2, { created: ago(10), states: [{ state: "in_progress", at: ago(9) }] });
    await watcher.look();
    expect(taken).toEqual([]);
    deployments.get(2)?.states.unshift({ state: "inactive", at: ago(1) }, { state: "success", at: ago(5) });
    await watcher.look();
    await watcher.look();
    expect(taken).toMatchObject([
      { id: "github:acme/parcel:pull:12", kind: "other", about: `github:acme/parcel@${SHA}` },
      {
        id: "github:acme/parcel:deployment:2",
        kind: "deploy",
        subject: "parcel",
        actor: "maya",
        at: NOW - 5 * 60_000,
        about: `github:acme/parcel@${SHA}`,
      },
    ]);
    expect(taken[0]?.context).toContain("the carrier is asked less");
  });

  it("misses none of many that came while nobody asked", async () => {
    const { deployments, taken, watcher } = await github();
    for (let id = 1; id <= 60; id++)
      deployments.set(id, { created: ago(61 - id), states: [{ state: "success", at: ago(60 - id) }] });
    await watcher.look();
    const told = taken.filter(({ kind }) => kind === "deploy").map(({ id }) => id);
    expect(told).toHaveLength(60);
    expect(told[0]).toBe("github:acme/parcel:deployment:1");
  });

  it("asks no more about what has ended", async () => {
    const { server, deployments, watcher } = await github();
    deployments.set(2, { created: ago(10), states: [{ state: "failure", at: ago(9) }] });
    await watcher.look();
    const asked = server.requests.length;
    await watcher.look();
    expect(server.requests).toHaveLength(asked + 1);
  });
});

describe("GitLab's deployments API (stub)", () => {
  it("tells a deployment once, after the merge requests that it brought", async () => {
    const updated = { at: ago(30) };
    const server = await stubServer(({ path, query, headers }): StubAnswer => {
      if (headers["private-token"] !== "glpat-1") return { status: 401, body: { message: "401 Unauthorized" } };
      if (path === "/api/v4/projects/acme%2Fparcel/deployments") {
        const right = query.get("status") === "success" && query.get("order_by") === "updated_at" && query.get("sort") === "asc";
        if (!right) return { status: 400, body: { message: "400 Bad request" } };
        const after = Date.parse(query.get("updated_after") ?? "");
        const deployment = {
          id: 41,
          iid: 3,
          ref: "main",
          sha: SHA,
          status: "success",
          created_at: ago(60),
          updated_at: updated.at,
          user: { username: "maya", name: "Maya Lindqvist" },
          environment: { id: 9, name: "production", external_url: "https://shop.example" },
          deployable: { id: 2, commit: { id: SHA, title: "Merge branch 'quotes'" }, web_url: "https://gitlab.example/jobs/2" },
        };
        return { body: Date.parse(updated.at) >= after ? [deployment] : [] };
      }
      if (path === "/api/v4/projects/acme%2Fparcel/deployments/41/merge_requests") {
        const merge = {
          iid: 7,
          title: "Cache quotes by postcode",
          description: "The carrier is asked less.",
          web_url: "https://gitlab.example/acme/parcel/-/merge_requests/7",
          target_branch: "main",
          merge_commit_sha: SHA,
          merged_at: ago(50),
          merged_by: { username: "ines" },
          author: { username: "maya" },
        };
        return { body: [merge] };
      }
      return { status: 404, body: { message: "404 Not Found" } };
    });
    open.push(server);
    const { taken, watching } = memoryWatching<UpdatedCursor>(() => NOW);
    const watcher = watchGitlab({ ...watching, url: server.url, token: "glpat-1", project: "acme/parcel", servicesOf });
    await watcher.look();
    await watcher.look();
    expect(taken).toMatchObject([
      { id: "gitlab:acme/parcel:merge:7", at: NOW - 50 * 60_000, context: expect.stringContaining("asked less") },
      { id: "gitlab:acme/parcel:deployment:41", kind: "deploy", subject: "parcel", actor: "maya", at: NOW - 30 * 60_000 },
    ]);
    expect(new Set(taken.map(({ about }) => about))).toEqual(new Set([`gitlab:acme/parcel@${SHA.slice(0, 8)}`]));
    updated.at = ago(1);
    await watcher.look();
    expect(taken).toHaveLength(4);
  });
});

describe("Argo CD's history (stub)", () => {
  it("tells what was deployed since the last look, with versions, images and who", async () => {
    const stub = await stubArgoCd({ token: "argo" });
    open.push(stub);
    stub.deploy("checkout", "1.4.0");
    const { taken, watching } = memoryWatching<Readonly<Record<string, number>>>(() => NOW);
    const watcher = watchArgoCd({ ...watching, url: stub.url, token: "argo", project: undefined, environment: "production" });
    await watcher.look();
    stub.deploy("checkout", "1.4.1");
    await watcher.look();
    await watcher.look();
    expect(taken).toMatchObject([
      { kind: "deploy", subject: "checkout", services: ["checkout"], before: "", after: "1.4.0", actor: "jonas" },
      { before: "1.4.0", after: "1.4.1", context: "registry.example/checkout:1.4.0" },
    ]);
    expect(new Set(taken.map(({ id }) => id)).size).toBe(2);
  });
});

describe("rollouts in Kubernetes (stub)", () => {
  it("tells deploys, configuration, restarts and scaling apart, with who where it is said", async () => {
    const stub = await stubKubernetes({ namespace: "shop" });
    open.push(stub);
    const cluster = () => Cluster.open({ kubeconfig: stub.kubeconfig(), namespace: "shop" });
    const { taken, watching } = memoryWatching<RolloutCursor>();
    const watcher = watchRollouts({ ...watching, cluster, environment: "production" });
    stub.deploy("checkout", "registry.example/checkout:1.4.0");
    stub.deploy("search", "registry.example/search:9");
    await watcher.look();
    expect(taken.map(({ subject, before, after }) => `${subject} ${before} ${after}`)).toEqual([
      "checkout absent 1.4.0",
      "search absent 9",
    ]);
    taken.length = 0;

    stub.deploy("checkout", "registry.example/checkout:1.4.1");
    await watcher.look();
    stub.deploy("checkout", "registry.example/checkout:1.4.1", { env: "fast" });
    await watcher.look();
    const workloads = new KubernetesWorkloads(cluster, { environment: "production" });
    const write = { actor: "vigil (approved by maya)", reason: "memory", expected: null };
    await workloads.restart("checkout", { ...write, idempotencyKey: "1" });
    await workloads.scale("checkout", 5, { ...write, idempotencyKey: "2" });
    await watcher.look();
    stub.autoscale("search", 1, 9);
    await workloads.scale("search", 4, { ...write, idempotencyKey: "3" });
    await watcher.look();
    await watcher.look();
    expect(taken.map(({ kind, before, after, actor }) => `${kind}: ${before} → ${after} by ${actor}`)).toEqual([
      "deploy: 1.4.0 → 1.4.1 by unknown",
      "deploy: 1.4.1 (revision 2) → 1.4.1 (revision 3) by unknown",
      "other: 1.4.1 → 1.4.1 restarted by vigil (approved by maya)",
      "scale: 3 copies → 5 copies by vigil (approved by maya)",
    ]);
  });
});

const place = { token: "t", servicesOf };
survivalContract("GitHub", (url, timeout) =>
  watchGithub({ ...memoryWatching<DeploymentCursor>().watching, ...place, url, repository: "a/b", timeout }).look(),
);
survivalContract("GitLab", (url, timeout) =>
  watchGitlab({ ...memoryWatching<UpdatedCursor>().watching, ...place, url, project: "a/b", timeout }).look(),
);
survivalContract("Argo CD", (url, timeout) =>
  watchArgoCd({
    ...memoryWatching<Readonly<Record<string, number>>>().watching,
    ...place,
    url,
    project: undefined,
    environment: "p",
    timeout,
  }).look(),
);
survivalContract("Unleash", (url, timeout) =>
  watchUnleash({ ...memoryWatching<number>().watching, ...place, url, project: "p", environment: "p", timeout }).look(),
);
