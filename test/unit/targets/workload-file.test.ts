import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { WorkloadFile } from "../../../src/targets/workload-file/index.ts";
import { workloadTargetContract } from "../../contract/workload-target.ts";

const file = (content: unknown = { workloads: { checkout: { replicas: 3 }, cart: { replicas: 2, stateful: true } } }) => {
  const path = join(mkdtempSync(join(tmpdir(), "vigil-workloads-")), "workloads.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};

workloadTargetContract("a workload file", async () => {
  let now = Date.UTC(2026, 10, 24, 3);
  return new WorkloadFile({ file: file(), environment: "production", now: () => (now += 60_000) });
});

it("says when copies are still coming up, and which keep data", async () => {
  let now = Date.UTC(2026, 10, 24, 3);
  const workloads = new WorkloadFile({ file: file(), environment: "production", now: () => now });
  const write = { actor: "vigil", reason: "r", idempotencyKey: "k", expected: null };
  expect(await workloads.restart("cart", write)).toMatchObject({ settling: true, ready: 1, stateful: true });
  now += 30_000;
  expect(await workloads.get("cart")).toMatchObject({ settling: false, ready: 2 });
});

it("names the file when it cannot be used", async () => {
  for (const content of ["{", { workloads: { checkout: { replicas: 0 } } }, { copies: {} }]) {
    const broken = new WorkloadFile({ file: file(content), environment: "production", now: () => 0 });
    await expect(broken.list()).rejects.toThrow(/workloads\.json cannot be used/);
  }
});
