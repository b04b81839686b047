import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { GitopsRepository, gitAt } from "../../../src/targets/gitops/index.ts";
import { deployTargetContract } from "../../contract/deploy-target.ts";

const AT = Date.UTC(2026, 2, 3, 2, 47);

async function repository() {
  const folder = mkdtempSync(join(tmpdir(), "vigil-gitops-"));
  const git = gitAt(folder, "Jonas Weber <jonas@shop.example>", AT - 3_600_000);
  await git.raw(["init", "-q", "-b", "main"]);
  mkdirSync(join(folder, "environments/production"), { recursive: true });
  for (const version of ["1.4.0", "1.4.1"]) {
    const text = `service: checkout\nversion: "${version}"\nimage: registry.example/checkout:${version}\n`;
    writeFileSync(join(folder, "environments/production/checkout.yaml"), text);
    await git.raw(["add", "."]);
    await git.raw(["commit", "-q", "-m", `checkout ${version}`]);
  }
  return { folder, git, target: new GitopsRepository({ folder, environment: "production", now: () => AT }) };
}
const write = (key: string) => ({ actor: "vigil (approved by maya)", reason: "errors", idempotencyKey: key, expected: null });

deployTargetContract("a GitOps repository", async () => (await repository()).target);

describe("a GitOps repository on disk", () => {
  it("records a rollback as a revert commit by Vigil, in telemetry time, with who and why", async () => {
    const { git, target } = await repository();
    await target.rollBack("checkout", write("once"));
    const log = await git.raw(["log", "-n", "1", "--format=%an|%at|%B"]);
    expect(log).toContain(`Vigil|${AT / 1_000}|`);
    expect(log).toContain("Vigil-Idempotency-Key: once");
    expect(log).toContain("Vigil-Actor: vigil (approved by maya)");
    expect(log).toContain("Vigil-Reason: errors");
    expect((await git.raw(["rev-list", "--count", "HEAD"])).trim()).toBe("3");
  });

  it("moves the image with the version", async () => {
    const { git, target } = await repository();
    await target.setVersion("checkout", "1.5.0", write("a"));
    expect(await git.show(["HEAD:environments/production/checkout.yaml"])).toContain("registry.example/checkout:1.5.0");
  });

  it("refuses to touch a work tree with somebody's unfinished work", async () => {
    const { folder, git, target } = await repository();
    writeFileSync(join(folder, "notes.txt"), "mine");
    await expect(target.rollBack("checkout", write("a"))).rejects.toThrow(/uncommitted changes/);
    expect((await git.raw(["rev-list", "--count", "HEAD"])).trim()).toBe("2");
  });
});
