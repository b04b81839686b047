import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ChangeEvent } from "../../../src/domain/telemetry.ts";
import { HOUR } from "../../../src/domain/time.ts";
import type { Cursor } from "../../../src/sources/change-watcher.ts";
import { watchFlagFile } from "../../../src/sources/flagd/index.ts";
import { watchRepository } from "../../../src/sources/gitops/index.ts";
import { FlagdFile } from "../../../src/targets/flagd/index.ts";
import { GitopsRepository, gitAt } from "../../../src/targets/gitops/index.ts";

const AT = Date.UTC(2026, 2, 3, 2, 47);
const now = () => AT;
const folderFor = (name: string) => mkdtempSync(join(tmpdir(), `vigil-${name}-`));

/** A cursor as a store would keep it: what is saved survives as JSON. */
function cursor<T>(): Cursor<T> {
  let saved = "null";
  return {
    load: async () => JSON.parse(saved) as T | null,
    save: async (value) => {
      saved = JSON.stringify(value);
    },
  };
}

const common = { environment: "production", now, every: 20 };
const fail = (error: unknown) => {
  throw error;
};

describe("watching a flag file", () => {
  const flag = (percent: number) => ({
    state: "ENABLED",
    variants: { on: true, off: false },
    defaultVariant: "off",
    targeting: {
      fractional: [
        ["on", percent],
        ["off", 100 - percent],
      ],
    },
    metadata: { services: "catalog" },
  });
  const world = () => {
    const file = join(folderFor("flags"), "flags.json");
    writeFileSync(file, JSON.stringify({ flags: { rollout: flag(10), other: flag(50) } }));
    const seen: ChangeEvent[] = [];
    const position = cursor<Record<string, never>>();
    const watcher = () =>
      watchFlagFile({ ...common, file, cursor: position, sink: async (changes) => void seen.push(...changes), onError: fail });
    const write = { actor: "vigil (approved by maya)", reason: "slow catalog", idempotencyKey: "k", expected: null };
    return { file, seen, watcher, write, flags: new FlagdFile({ file, environment: "production", now }) };
  };

  it("reports who changed what, before and after, once and across a restart", async () => {
    const { seen, watcher, flags, write } = world();
    await watcher().look();
    expect(seen).toEqual([]);
    // While nobody looks, the flag is changed.
    await flags.setPercent("rollout", 40, write);
    const restarted = watcher();
    await restarted.look();
    await restarted.look();
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      at: AT,
      kind: "flag",
      subject: "rollout",
      services: ["catalog"],
      actor: "vigil (approved by maya)",
      before: "10% on",
      after: "40% on",
      summary: "slow catalog",
    });
  });

  it("tells the file's owner and the clock's time where the file does not say", async () => {
    const { file, seen, watcher } = world();
    await watcher().look();
    writeFileSync(file, JSON.stringify({ flags: { rollout: flag(99) } }));
    await watcher().look();
    expect(seen.map(({ subject, before, after }) => [subject, before, after])).toEqual([
      ["rollout", "10% on", "99% on"],
      ["other", "50% on", "absent"],
    ]);
    expect(seen.every(({ at, actor }) => at === AT && actor.length > 0)).toBe(true);
  });

  it("reports again with the same id when the crash came before the cursor was saved", async () => {
    const { file, seen, flags, write } = world();
    const position = cursor<Record<string, never>>();
    const options = {
      ...common,
      file,
      onError: fail,
      sink: async (changes: readonly ChangeEvent[]) => void seen.push(...changes),
    };
    await watchFlagFile({ ...options, cursor: position }).look();
    await flags.setPercent("rollout", 40, write);
    const crashing = { load: position.load, save: () => Promise.reject(new Error("killed")) };
    await expect(watchFlagFile({ ...options, cursor: crashing }).look()).rejects.toThrow("killed");
    await watchFlagFile({ ...options, cursor: position }).look();
    expect(seen).toHaveLength(2);
    expect(seen[0]?.id).toBe(seen[1]?.id);
  });
});

describe("watching a repository of versions", () => {
  it("reports each deploy once, with author, versions, message and time, and Vigil's own rollback too", async () => {
    const folder = folderFor("repository");
    mkdirSync(join(folder, "environments/production"), { recursive: true });
    const deploy = async (version: string, at: number) => {
      const git = gitAt(folder, "Jonas Weber <jonas@shop.example>", at);
      writeFileSync(join(folder, "environments/production/checkout.yaml"), `service: checkout\nversion: "${version}"\n`);
      await git.raw(["add", "."]);
      await git.raw(["commit", "-q", "-m", `checkout ${version}: vouchers`]);
    };
    await gitAt(folder, "Jonas Weber <jonas@shop.example>", AT).raw(["init", "-q", "-b", "main"]);
    await deploy("1.4.0", AT - 3 * HOUR);
    const seen: ChangeEvent[] = [];
    const position = cursor<string>();
    const watcher = () =>
      watchRepository({
        ...common,
        folder,
        cursor: position,
        sink: async (changes) => void seen.push(...changes),
        onError: fail,
      });
    await watcher().look();
    await deploy("1.4.1", AT - 2 * HOUR);
    await deploy("1.4.2", AT - HOUR);
    const restarted = watcher();
    await restarted.look();
    const write = { actor: "vigil (approved by maya)", reason: "errors", idempotencyKey: "k", expected: null };
    await new GitopsRepository({ folder, environment: "production", now }).rollBack("checkout", write);
    await restarted.look();
    await restarted.look();
    expect(seen.map(({ at, actor, before, after }) => [at, actor, before, after])).toEqual([
      [AT - 3 * HOUR, "Jonas Weber", "absent", "1.4.0"],
      [AT - 2 * HOUR, "Jonas Weber", "1.4.0", "1.4.1"],
      [AT - HOUR, "Jonas Weber", "1.4.1", "1.4.2"],
      [AT, "vigil (approved by maya)", "1.4.2", "1.4.1"],
    ]);
    expect(seen[1]).toMatchObject({ kind: "deploy", subject: "checkout", summary: "checkout 1.4.1: vouchers" });
    expect(seen[1]?.reference).toMatch(/^[0-9a-f]{12}$/);
  });
});
