import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { GithubPullRequests } from "../../src/targets/gitops/pull-request.ts";
import { GitopsRemote, type GitopsRemoteOptions } from "../../src/targets/gitops/remote.ts";
import { bareRepository, gitHttpServer } from "../support/git-server.ts";
import { type StubRequest, stubServer } from "../support/stub-server.ts";
import { deployTargetContract } from "./deploy-target.ts";
import { survivalContract } from "./survival.ts";

const AT = Date.UTC(2026, 2, 3, 2, 47);
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const remote = (url: string, more: Partial<GitopsRemoteOptions> = {}) =>
  new GitopsRemote({
    url,
    branch: "main",
    folder: mkdtempSync(join(tmpdir(), "vigil-clone-")),
    environment: "production",
    now: () => AT,
    author: "Vigil <bot@shop.example>",
    access: { username: "x-access-token", token: undefined, timeout: 10_000 },
    ...more,
  });
const access = { username: "x-access-token", token: "s3cret-token", timeout: 10_000 };
async function overHttp() {
  const repository = bareRepository();
  const server = await gitHttpServer({ root: repository.root, username: access.username, token: access.token });
  open.push(server);
  return { repository, server, url: `${server.url}/deployments.git` };
}

let keys = 0;
const write = (expected: string | null = null) => ({
  actor: "vigil (approved by maya)",
  reason: "errors",
  idempotencyKey: `git-${++keys}`,
  expected,
});

deployTargetContract("a git remote over http", async () => remote((await overHttp()).url, { access }));

describe("a rollback in a git remote", () => {
  it("is a commit by the bot on the branch, in telemetry time, of that file alone", async () => {
    const { repository, url } = await overHttp();
    const target = remote(url, { access });
    await target.rollBack("checkout", write());
    expect(repository.log()).toContain("Vigil <bot@shop.example> Revert checkout from 1.4.1 to 1.4.0");
    expect(repository.log()).toContain("Vigil-Actor: vigil (approved by maya)");
    const show = (...args: string[]) => execFileSync("git", ["-C", repository.bare, ...args], { encoding: "utf8" });
    expect(show("show", "main:environments/production/checkout.yaml")).toContain('version: "1.4.0"');
    expect(show("show", "main:NOTES.md")).toBe("second");
    expect(show("log", "-1", "--format=%at", "main").trim()).toBe(String(AT / 1_000));
  });

  it("counts as done when only the answer to the push was lost", async () => {
    const { repository, server, url } = await overHttp();
    const target = remote(url, { access });
    server.state.loseAnswers = true;
    expect(await target.rollBack("checkout", write())).toMatchObject({ version: "1.4.0" });
    expect(repository.log().match(/Revert checkout/g)).toHaveLength(1);
  });

  it("does not overwrite what somebody pushes while it is being made", async () => {
    const repository = bareRepository();
    const target = remote(`file://${repository.bare}`);
    await target.list();
    // The person's push lands between the fetch and ours: the clock is asked in between.
    let asked = 0;
    const racing = remote(`file://${repository.bare}`, {
      now: () => {
        if (++asked === 4) repository.commit("1.4.2");
        return AT;
      },
    });
    const outcome = await racing.rollBack("checkout", write()).catch((error: Error) => error);
    expect(outcome).toMatchObject({ name: "StateMovedError" });
    expect(
      await target
        .get("checkout")
        .then(() => target.refresh())
        .then(() => target.get("checkout")),
    ).toMatchObject({ version: "1.4.2" });
  });

  it("keeps the token out of the clone, and out of what it says", async () => {
    const { url } = await overHttp();
    const target = remote(url, { access });
    await target.list();
    const kept = readFileSync(join(target.folder, ".git/config"), "utf8");
    expect(kept).toContain(url);
    expect(kept).not.toMatch(/s3cret|czNjcmV0|Basic/);
    await expect(remote(url.replace("//", "//maya:s3cret-word@"), { branch: "trunk" }).check()).rejects.toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("s3cret-word") }),
    );
  });

  it("says what to correct: token, branch, address, a server that does not answer", async () => {
    const { url } = await overHttp();
    await expect(remote(url, { access: { ...access, token: "wrong" } }).check()).rejects.toThrow(
      /cannot be fetched.*deploys\.token/,
    );
    await expect(remote(url, { access, branch: "trunk" }).check()).rejects.toThrow(/deploys\.branch/);
    await expect(remote("file:///nowhere/at-all.git").check()).rejects.toThrow(/deploys\.repository/);
    const silent = await stubServer(() => null);
    open.push(silent);
    await expect(remote(`${silent.url}/x.git`, { access: { ...access, timeout: 300 } }).list()).rejects.toThrow(
      /does not answer/,
    );
  });

  it("tells doctor what it found", async () => {
    const { url } = await overHttp();
    expect(await remote(url, { access }).check()).toMatch(/deployments\.git, main at [0-9a-f]{7}: 1 services in production$/);
  });
});

describe("a rollback in a git remote over file, by pull request on GitHub (stub)", () => {
  /** A stub of the pulls API: checks what it is sent, and merges as GitHub does, by moving the branch. */
  async function github(bare: string, mergeStatus = 200) {
    const pulls: unknown[] = [];
    const server = await stubServer((request: StubRequest) => {
      const { method, path, headers, body } = request;
      if (
        headers.authorization !== "Bearer ghs_1" ||
        !headers["user-agent"] ||
        headers["x-github-api-version"] !== "2022-11-28"
      ) {
        return { status: 401, body: { message: "Bad credentials" } };
      }
      if (method === "GET" && path === "/repos/shop/deployments") {
        return { body: { full_name: "shop/deployments", permissions: { push: true } } };
      }
      if (method === "POST" && path === "/repos/shop/deployments/pulls") {
        const { title, head, base } = body as Record<string, string>;
        if (!title || !head || !base) return { status: 422, body: { message: "Validation Failed" } };
        pulls.push(body);
        return { status: 201, body: { number: 7, html_url: "https://github.example/shop/deployments/pull/7" } };
      }
      if (method === "PUT" && path === "/repos/shop/deployments/pulls/7/merge") {
        if (mergeStatus !== 200) return { status: mergeStatus, body: { message: "At least 1 approving review is required" } };
        const { head } = pulls[0] as { head: string };
        execFileSync("git", ["-C", bare, "update-ref", "refs/heads/main", `refs/heads/${head}`]);
        return { body: { merged: true } };
      }
      return { status: 404, body: { message: "Not Found" } };
    });
    open.push(server);
    const pullRequests = new GithubPullRequests({ url: server.url, token: "ghs_1", repository: "shop/deployments" });
    return { pulls, pullRequests };
  }

  it("opens one from a branch of its own and merges it", async () => {
    const { bare } = bareRepository();
    const { pulls, pullRequests } = await github(bare);
    const target = remote(`file://${bare}`, { pullRequests });
    expect(await target.check()).toMatch(/by pull request \(GitHub shop\/deployments\)$/);
    expect(await target.rollBack("checkout", write())).toMatchObject({ version: "1.4.0", previousVersion: "1.4.1" });
    expect(pulls).toEqual([
      expect.objectContaining({
        head: expect.stringMatching(/^vigil\/checkout-[0-9a-f]{10}$/),
        base: "main",
        title: "checkout: 1.4.0",
      }),
    ]);
  });

  it("leaves it open for a person where it may not merge, says so, and the version stays", async () => {
    const { bare } = bareRepository();
    const { pullRequests } = await github(bare, 405);
    const target = remote(`file://${bare}`, { pullRequests });
    await expect(target.rollBack("checkout", write())).rejects.toMatchObject({
      message: expect.stringMatching(/pull\/7 is open.*approving review.*Merge it there/),
      outcomeUnknown: false,
    });
    expect(await target.get("checkout")).toMatchObject({ version: "1.4.1" });
  });
});

survivalContract("GitHub", (url, timeout) =>
  new GithubPullRequests({ url, token: "t", repository: "shop/deployments", timeout }).check(),
);
