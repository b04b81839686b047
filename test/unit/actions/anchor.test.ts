import { execFile } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Anchoring } from "../../../src/actions/anchor.ts";
import { auditHead } from "../../../src/store/audit.ts";
import { AnchorFile, readAnchors } from "../../../src/targets/anchor/file.ts";
import { AnchorWebhook } from "../../../src/targets/anchor/webhook.ts";
import { actionWorld } from "../../support/action-world.ts";
import { stubServer } from "../../support/stub-server.ts";

const root = resolve(import.meta.dirname, "../../..");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-anchor-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const vigil = (...args: string[]): Promise<{ code: number; out: string; error: string }> =>
  new Promise((done) => {
    const env = { ...process.env, VIGIL_DATA_DIR: folder, VIGIL_STATE_URL: "" };
    execFile(
      process.execPath,
      ["--import", "tsx", join(root, "src/cli.ts"), "audit", ...args],
      { cwd: root, env },
      (failure, out, error) => done({ code: failure ? Number(failure.code) : 0, out, error }),
    );
  });

describe("the audit trail, anchored outside the database", () => {
  it("is noted in a file and at a server whenever it has grown, and a place that fails is tried again", async () => {
    const { db, proposed, click, passes } = await actionWorld({ file: join(folder, "vigil.db") });
    const server = await stubServer(() => ({ body: {} }));
    server.next.push({ status: 503, body: {} });
    const file = join(folder, "audit-anchor.jsonl");
    const failures: string[] = [];
    const anchoring = new Anchoring({
      head: () => auditHead(db),
      places: [new AnchorFile(file), new AnchorWebhook({ url: `${server.url}/keep`, token: "anchor-token" })],
      every: 60_000,
      now: () => 1_000,
      onFailure: (place) => failures.push(place),
    });
    await anchoring.note();
    expect(await readAnchors(file)).toEqual([]);

    const proposal = await proposed();
    await anchoring.note();
    await anchoring.note();
    await click(proposal);
    await passes(16);
    await anchoring.stop();

    const anchors = await readAnchors(file);
    expect(anchors).toHaveLength(2);
    expect(anchors.at(-1)).toEqual({ ...(await auditHead(db)), at: 1_000 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(failures).toHaveLength(1);
    expect(server.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual(
      Array(3).fill(["/keep", "Bearer anchor-token"]),
    );
    expect(server.requests.at(-1)?.body).toEqual(anchors.at(-1));
    await server.close();

    const whole = await vigil("verify");
    expect(whole).toMatchObject({ code: 0, error: "" });
    expect(JSON.parse(whole.out)).toMatchObject({ rows: anchors.at(-1)?.seq, anchors: 2 });

    const shown = JSON.parse((await vigil("show", proposal.id)).out) as { entries: { kind: string; actor: string }[] };
    expect(shown.entries.length).toBeGreaterThanOrEqual(4);
    expect(shown.entries.some(({ actor }) => actor.startsWith("web:"))).toBe(true);

    await db
      .deleteFrom("audit")
      .where("seq", "=", anchors.at(-1)?.seq ?? 0)
      .execute();
    const cut = await vigil("verify");
    expect(cut.code).toBe(1);
    expect(cut.error).toContain(`rows up to ${anchors.at(-1)?.seq} were anchored, the tail was cut`);

    await db.destroy();
  });

  it("a crash in the middle of a note loses that note, an edited line is named", async () => {
    const file = join(folder, "other.jsonl");
    await new AnchorFile(file).note({ seq: 3, hash: "a".repeat(64), at: 5 });
    appendFileSync(file, '{"seq":4,"ha');
    expect(await readAnchors(file)).toEqual([{ seq: 3, hash: "a".repeat(64), at: 5 }]);
    appendFileSync(file, "\n");
    await expect(readAnchors(file)).rejects.toThrow(/line 2 of .* is no anchor/);
    expect(readFileSync(file, "utf8").split("\n")).toHaveLength(3);
  });
});
