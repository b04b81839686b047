import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import { strFromU8, unzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { COLOR_ICON, OUTLINE_ICON } from "../../../src/chat/teams/icons.ts";
import { commandIn } from "../../../src/chat/teams/listeners.ts";
import { manifestSchema, teamsManifest } from "../../../src/chat/teams/manifest.ts";
import { teamsZip } from "../../../src/commands/teams-package.ts";

const root = resolve(import.meta.dirname, "../../..");
const APP = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const facts = { appId: APP, version: "0.1.0", organisation: "Acme", website: "https://acme.example/vigil" };

/** Width and height in a PNG's header. */
const sizeOf = (png: Uint8Array) => {
  const buffer = Buffer.from(png);
  expect(buffer.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  return [buffer.readUInt32BE(16), buffer.readUInt32BE(20)];
};

describe("the Teams app package", () => {
  it("is built by one command: the manifest and two icons in a zip", () => {
    const out = join(mkdtempSync(join(tmpdir(), "vigil-teams-")), "vigil.zip");
    const options = ["teams-package", "--out", out, "--organisation", "Acme", "--website", facts.website];
    execFileSync(process.execPath, ["--import", "tsx", join(root, "src/cli.ts"), ...options], {
      cwd: root,
      env: { ...process.env, TEAMS_APP_ID: APP },
    });
    const files = unzipSync(readFileSync(out));
    expect(Object.keys(files).sort()).toEqual(["color.png", "manifest.json", "outline.png"]);
    expect(sizeOf(files["color.png"] ?? new Uint8Array())).toEqual([192, 192]);
    expect(sizeOf(files["outline.png"] ?? new Uint8Array())).toEqual([32, 32]);
    const manifest = JSON.parse(strFromU8(files["manifest.json"] ?? new Uint8Array()));
    expect(manifestSchema.parse(manifest)).toEqual(manifest);
    expect(manifest).toMatchObject({ id: APP, developer: { name: "Acme", websiteUrl: facts.website }, bots: [{ botId: APP }] });
  });

  it("is the same bytes for the same facts, and says which field Teams would refuse", async () => {
    expect(Buffer.from(await teamsZip(facts)).equals(Buffer.from(await teamsZip(facts)))).toBe(true);
    await expect(teamsZip({ ...facts, website: "http://acme.example" })).rejects.toThrow("developer.websiteUrl");
  });

  it("lists as commands what is understood as commands", () => {
    const [bot] = teamsManifest(facts).bots;
    for (const { title } of bot?.commandLists[0]?.commands ?? []) {
      expect(commandIn(title === "investigate" ? "investigate checkout" : title)).not.toBeNull();
    }
  });

  it.each([
    ["id", { appId: "not-a-uuid" }],
    ["version", { version: "1.0" }],
    ["developer.name", { organisation: "x".repeat(33) }],
    ["developer.websiteUrl", { website: "javascript:alert(1)" }],
  ])("checks %s", (path, changed) => {
    expect(() => teamsManifest({ ...facts, ...changed })).toThrow(path.split(".").at(-1));
  });

  it("has an outline of white and nothing else, and a picture that fills its square", () => {
    const outline = new Resvg(OUTLINE_ICON).render().pixels;
    let drawn = 0;
    for (let at = 0; at < outline.length; at += 4) {
      const [red, green, blue, alpha] = outline.subarray(at, at + 4) as unknown as [number, number, number, number];
      if (alpha === 0) continue;
      drawn += 1;
      // Premultiplied: white at any opacity has the same value in each.
      expect([red, green, blue].every((value) => Math.abs(value - alpha) <= 1 || value === 255)).toBe(true);
    }
    expect(drawn).toBeGreaterThan(100);
    const color = new Resvg(COLOR_ICON).render().pixels;
    for (let at = 3; at < color.length; at += 4) if (color[at] !== 255) throw new Error("the colour icon has a hole");
  });
});
