import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { webhookServer } from "../../../support/webhook-server.ts";

const SECRET = "a-long-shared-secret";
const bearer = [{ kind: "bearer", token: SECRET }] as const;
const authorization = `Bearer ${SECRET}`;
const AT = "2026-03-01T02:47:00Z";
const SHA = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";

let server: Awaited<ReturnType<typeof webhookServer>>;
beforeEach(async () => {
  server = await webhookServer(
    {
      changes: bearer,
      argocd: bearer,
      unleash: bearer,
      github: [{ kind: "hmac", header: "X-Hub-Signature-256", prefix: "sha256=", secret: SECRET }],
      gitlab: [{ kind: "header", header: "X-Gitlab-Token", token: SECRET }],
    },
    { "acme/parcel": ["parcel"], "acme/shop": ["shop"], "parcel-prod": ["parcel"], "fast-quotes": ["parcel"] },
  );
});
afterEach(() => server.close());

const github = (event: string, delivery: string, payload: unknown) => {
  const body = JSON.stringify(payload);
  const signature = createHmac("sha256", SECRET).update(body).digest("hex");
  return server.post("/v1/changes/github", body, {
    "x-github-event": event,
    "x-github-delivery": delivery,
    "x-hub-signature-256": `sha256=${signature}`,
  });
};
const repository = {
  name: "parcel",
  full_name: "acme/parcel",
  html_url: "https://github.com/acme/parcel",
  default_branch: "main",
};
const deployment = (id: number, sha: string, state: string, at = AT) => ({
  action: "created",
  deployment_status: { id: id * 10, state, description: "", created_at: at, environment_url: "", log_url: "https://ci/1" },
  deployment: {
    id,
    sha,
    ref: "main",
    environment: "production",
    description: null,
    creator: { login: "maya" },
    created_at: at,
  },
  repository,
});

describe("changes in", () => {
  it("a GitHub deploy bears the text of its pull request, and the version that it replaced", async () => {
    const pull = {
      action: "closed",
      pull_request: {
        number: 7,
        title: "Quote cache keyed by warehouse",
        body: "Lookups go through a new index, so that quotations for remote islands are priced at once.",
        html_url: "https://github.com/acme/parcel/pull/7",
        merged: true,
        merged_at: "2026-03-01T02:30:00Z",
        merge_commit_sha: SHA,
        merged_by: { login: "noor" },
        user: { login: "maya" },
        base: { ref: "main" },
        changed_files: 3,
        additions: 40,
        deletions: 2,
        labels: [],
      },
      repository,
    };
    expect(await github("pull_request", "d1", pull)).toMatchObject({ status: 200, body: { taken: 1 } });
    const earlier = deployment(1, "0".repeat(40), "success", "2026-02-28T09:00:00Z");
    expect(await github("deployment_status", "d2", earlier)).toMatchObject({ body: { taken: 1 } });
    expect((await github("deployment_status", "d3", deployment(2, SHA, "pending"))).body.ignored).toContain("pending");
    expect(await github("deployment_status", "d4", deployment(2, SHA, "success"))).toMatchObject({ body: { taken: 1 } });
    // Sent again by GitHub, and by somebody who pressed "redeliver" under a new id.
    expect((await github("deployment_status", "d4", deployment(2, SHA, "success"))).body.ignored).toBe("was taken before");
    await github("deployment_status", "d5", deployment(2, SHA, "success"));

    const changes = await server.changes();
    expect(changes.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual([
      "deploy parcel",
      "other acme/parcel#7",
      "deploy parcel",
    ]);
    expect(changes.at(-1)).toEqual({
      id: "github:acme/parcel:deployment:2",
      at: Date.parse(AT),
      kind: "deploy",
      subject: "parcel",
      services: ["parcel"],
      environment: "production",
      actor: "maya",
      before: "main (0000000)",
      after: "main (f95f852)",
      summary: "",
      reference: "https://ci/1",
      source: "github",
    });
    const hits = await server.knowledge.search({ text: "pricing of quotations for remote islands", top: 2 });
    expect(hits.map(({ documentId }) => documentId).toSorted()).toEqual([
      "change:github:acme/parcel:deployment:2",
      "change:github:acme/parcel:pull:7",
    ]);
    expect(hits[0]?.metadata).toMatchObject({ type: "change", author: "maya", environment: expect.any(String) });
    expect(await github("ping", "d6", { zen: "Keep it simple." })).toMatchObject({ status: 200, body: { ignored: "pong" } });
    expect((await github("pull_request", "d7", { ...pull, repository: {} })).body.error).toMatch(/^repository\.name: /);
  });

  it("a GitLab deploy, merge request and feature flag", async () => {
    const project = { id: 1, name: "shop", path_with_namespace: "acme/shop", web_url: "https://gitlab/acme/shop" };
    const user = { id: 1, name: "Maya", username: "maya", email: "maya@example.org" };
    const send = (body: unknown, id: string) =>
      server.post("/v1/changes/gitlab", body, { "x-gitlab-token": SECRET, "x-gitlab-event-uuid": id });
    const merge = {
      object_kind: "merge_request",
      event_type: "merge_request",
      user,
      project,
      object_attributes: {
        iid: 3,
        action: "merge",
        title: "Baskets survive a restart",
        description: "They are written through to the store.",
        url: "https://gitlab/acme/shop/-/merge_requests/3",
        target_branch: "main",
        merge_commit_sha: SHA,
        updated_at: "2026-03-01 02:40:00 UTC",
      },
    };
    const deploy = {
      object_kind: "deployment",
      status: "success",
      status_changed_at: "2026-03-01 02:47:00 +0000",
      deployment_id: 15,
      deployable_id: 796,
      deployable_url: "https://gitlab/acme/shop/-/jobs/796",
      environment: "staging",
      project,
      short_sha: SHA.slice(0, 8),
      user,
      commit_url: `https://gitlab/acme/shop/-/commit/${SHA}`,
      commit_title: "Merge branch",
      ref: "main",
    };
    const flag = {
      object_kind: "feature_flag",
      project,
      user,
      object_attributes: { id: 6, name: "new-basket", description: "write-through baskets", active: true },
    };
    for (const [at, body] of [merge, deploy, flag].entries()) {
      expect(await send(body, `u${at}`), JSON.stringify(body)).toMatchObject({ status: 200, body: { taken: 1 } });
    }
    expect(await send(flag, "u2")).toMatchObject({ body: { taken: 0 } });
    expect((await send({ object_kind: "pipeline" }, "u9")).body.ignored).toContain("pipeline");
    const [merged, deployed, switched] = await server.changes();
    expect(merged).toMatchObject({ subject: "acme/shop!3", at: Date.parse("2026-03-01T02:40:00Z"), actor: "maya" });
    expect(deployed).toMatchObject({ kind: "deploy", subject: "shop", at: Date.parse(AT), environment: "staging" });
    expect(switched).toMatchObject({ kind: "flag", subject: "new-basket", before: "off", after: "on" });
    const hits = await server.knowledge.search({ text: "baskets written through to the store", top: 3 });
    expect(hits.map(({ documentId }) => documentId)).toContain("change:gitlab:acme/shop:deployment:15");
  });

  it("an Argo CD sync, from the application as it is", async () => {
    const app = (phase: string) => ({
      metadata: { name: "parcel-prod", namespace: "argocd" },
      spec: { project: "default", source: { repoURL: "https://git/acme/deploy" }, destination: { namespace: "production" } },
      status: {
        history: [
          { id: 1, revision: "0".repeat(40), deployedAt: "2026-02-01T00:00:00Z" },
          { id: 2, revision: SHA, deployedAt: AT },
        ],
        summary: { images: ["registry/parcel:1.8.0"] },
        operationState: {
          phase,
          message: "successfully synced (all tasks run)",
          startedAt: "2026-03-01T02:46:00Z",
          finishedAt: AT,
          syncResult: { revision: SHA },
          operation: { initiatedBy: { username: "maya" } },
        },
      },
    });
    const url = "https://argocd/applications/argocd/parcel-prod";
    const send = (phase: string) => server.post("/v1/changes/argocd", { app: app(phase), url }, { authorization });
    expect((await send("Running")).body.ignored).toContain("Running");
    expect(await server.post("/v1/changes/argocd", { app: app("Succeeded"), url }, { authorization })).toMatchObject({
      status: 200,
    });
    await send("Succeeded");
    const changes = await server.changes();
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({
      kind: "deploy",
      subject: "parcel",
      environment: "production",
      actor: "maya",
      before: "0000000",
      after: "f95f852",
      reference: url,
    });
    const [hit] = await server.knowledge.search({ text: "parcel:1.8.0", top: 1 });
    expect(hit?.documentId).toBe(changes[0]?.id.replace(/^/, "change:"));
  });

  it("Unleash: a rollout raised in an environment, with the flag's description from its creation", async () => {
    const event = (id: number, type: string, more: object) => ({
      id,
      type,
      createdBy: "maya",
      createdByUserId: 4,
      createdAt: AT,
      project: "default",
      featureName: "fast-quotes",
      tags: [],
      ...more,
    });
    const strategy = (rollout: string) => ({
      id: "3f4bf713",
      name: "flexibleRollout",
      constraints: [],
      parameters: { groupId: "fast-quotes", rollout, stickiness: "default" },
      segments: [],
    });
    const send = (body: unknown) => server.post("/v1/changes/unleash", body, { authorization });
    await send(event(1, "feature-created", { data: { name: "fast-quotes", description: "Prices islands from a lookup table" } }));
    const raised = { environment: "production", preData: strategy("5"), data: strategy("25") };
    expect(await send(event(2, "feature-strategy-update", raised))).toMatchObject({ body: { taken: 1 } });
    expect(await send(event(2, "feature-strategy-update", raised))).toMatchObject({ body: { taken: 0 } });
    await send(event(3, "feature-environment-disabled", { environment: "production", data: null, preData: null }));
    expect((await send(event(4, "feature-tagged", { data: { type: "simple", value: "x" } }))).body.ignored).toContain(
      "feature-tagged",
    );
    const changes = await server.changes();
    expect(changes.map(({ before, after }) => `${before} → ${after}`).toSorted()).toEqual([
      "5% on → 25% on",
      "absent → created",
      "on → off",
    ]);
    expect(changes.every(({ subject, services }) => subject === "fast-quotes" && services[0] === "parcel")).toBe(true);
    const hits = await server.knowledge.search({ text: "islands priced from a lookup table", top: 3 });
    expect(hits.map(({ title }) => title)).toContain("fast-quotes: 5% on → 25% on");
  });

  it("anything else as plain JSON; the same twice is one change, now is its time when it has none", async () => {
    const send = (body: unknown) => server.post("/v1/changes", body, { authorization });
    const scaled = {
      kind: "scale",
      subject: "parcel",
      services: ["parcel"],
      actor: "maya",
      before: "3 pods",
      after: "9 pods",
      at: AT,
    };
    expect(await send(scaled)).toMatchObject({ status: 200, body: { taken: 1 } });
    await send(scaled);
    await send({ id: "42", kind: "config", subject: "pool size", context: "Connections were exhausted at noon." });
    await send({ id: "42", kind: "config", subject: "pool size", context: "Connections were exhausted at noon." });
    const [first, second, ...others] = await server.changes();
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      kind: "scale",
      before: "3 pods",
      after: "9 pods",
      at: Date.parse(AT),
      environment: "production",
    });
    expect(Math.abs((second?.at ?? 0) - Date.now())).toBeLessThan(5_000);
    const [hit] = await server.knowledge.search({ text: "exhausted connections", top: 1 });
    expect(hit?.documentId).toBe("change:webhook:42");
  });
});
