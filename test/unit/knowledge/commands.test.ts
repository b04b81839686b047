import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
let folder = "";
let docs = "";

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

const vigil = (...args: string[]): Promise<Outcome> =>
  new Promise((done) => {
    execFile(
      process.execPath,
      ["--import", "tsx", join(root, "src/cli.ts"), ...args],
      { cwd: root, env: { ...process.env, VIGIL_DATA_DIR: join(folder, "state") } },
      (failure, out, error) => done({ code: failure ? Number(failure.code) : 0, out, error }),
    );
  });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-search-"));
  docs = join(folder, "docs");
  mkdirSync(join(docs, "deep"), { recursive: true });
  writeFileSync(join(docs, "disk.md"), "# Disk full\n\nThe volume has no space left.");
  writeFileSync(join(docs, "deep", "dns.txt"), "Names are not resolved by the nameserver.");
  writeFileSync(join(docs, "broken.md"), "---\ntitle: [x\n---\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("vigil search", () => {
  it("prints files of a folder by meaning, and says on stderr what it left out", async () => {
    const { code, out, error } = await vigil("search", "storage exhausted on the volume", "--docs", docs, "--top", "1", "--json");
    expect(error).toContain("broken.md:");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ results: [{ file: "disk.md", score: expect.any(Number) }] });
  });

  it.each([
    ["texts", ["hostname lookup fails", "no space left"]],
    ["objects with query", [{ query: "hostname lookup fails", relevant: ["x"] }, { query: "no space left" }]],
    ["objects with text below queries", { queries: [{ text: "hostname lookup fails" }, { text: "no space left" }] }],
  ])("answers many queries at once, given as %s", async (_, queries) => {
    const file = join(folder, "queries.json");
    writeFileSync(file, JSON.stringify(queries));
    const { out } = await vigil("search", "--docs", docs, "--top", "2", "--queries", file, "--json");
    const { answers } = JSON.parse(out) as { answers: { query: string; results: { file: string }[] }[] };
    expect(answers.map(({ query, results }) => [query, results[0]?.file])).toEqual([
      ["hostname lookup fails", "deep/dns.txt"],
      ["no space left", "disk.md"],
    ]);
  });

  it("says what to correct when the input is wrong, and exits with 1", async () => {
    const file = join(folder, "bad.json");
    writeFileSync(file, '[{"q": "x"}]');
    const [noFolder, noQuery, badQuery] = await Promise.all([
      vigil("search", "x", "--docs", join(folder, "none")),
      vigil("search", "--docs", docs),
      vigil("search", "--docs", docs, "--queries", file),
    ]);
    expect(noFolder).toMatchObject({ code: 1, error: expect.stringMatching(/none.*not a folder/) });
    expect(noQuery).toMatchObject({ code: 1, error: expect.stringContaining("--queries FILE.json") });
    expect(badQuery).toMatchObject({ code: 1, error: expect.stringContaining("entry 0") });
  });
});
