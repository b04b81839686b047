import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FlagdFile } from "../../../src/targets/flagd/index.ts";
import { flagProviderContract } from "../../contract/flag-provider.ts";

const AT = Date.UTC(2026, 2, 3, 2, 47);
const OTHER = `    "other":   { "state": "ENABLED",
      "variants": {"on":true, "off":false}, "defaultVariant": "off" }`;
const TEXT = `{
  "flags": {
    "rollout": {
      "state": "ENABLED",
      "variants": { "on": true, "off": false },
      "defaultVariant": "off",
      "targeting": { "fractional": [["on", 10], ["off", 90]] }
    },
${OTHER}
  }
}
`;

function flagFile(text = TEXT) {
  const file = join(mkdtempSync(join(tmpdir(), "vigil-flags-")), "flags.json");
  writeFileSync(file, text, { mode: 0o640 });
  return { file, flags: new FlagdFile({ file, environment: "production", now: () => AT }) };
}
const write = (key: string) => ({ actor: "vigil (approved by maya)", reason: "slow", idempotencyKey: key, expected: null });

flagProviderContract("a flagd file", async () => flagFile().flags);

describe("a flagd file on disk", () => {
  it("keeps everything else byte for byte, and records who, when and why", async () => {
    const { file, flags } = flagFile();
    await flags.setPercent("rollout", 0, write("a"));
    const text = readFileSync(file, "utf8");
    expect(text).toContain(OTHER);
    expect(JSON.parse(text).flags.rollout.metadata).toMatchObject({
      updatedBy: "vigil (approved by maya)",
      updatedAt: "2026-03-03T02:47:00.000Z",
      reason: "slow",
    });
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });

  it("loses no write when many come at once", async () => {
    const { flags } = flagFile();
    await Promise.all([
      flags.setPercent("rollout", 33, write("a")),
      flags.setEnabled("other", false, write("b")),
      flags.pinCohort("rollout", "test", true, write("c")),
    ]);
    expect(await flags.get("rollout")).toMatchObject({ percent: 33, pinnedOff: ["test"] });
    expect((await flags.get("other"))?.enabled).toBe(false);
  });

  it("names file, line and remedy of malformed JSON, and leaves the file alone", async () => {
    const broken = TEXT.replace('"state": "ENABLED",\n      "variants": { "on"', '"state": ENABLED,\n      "variants": { "on"');
    const { file, flags } = flagFile(broken);
    await expect(flags.setPercent("rollout", 0, write("a"))).rejects.toThrow(
      /flags\.json is not valid JSON at line 4.*Correct it/,
    );
    expect(readFileSync(file, "utf8")).toBe(broken);
  });
});
