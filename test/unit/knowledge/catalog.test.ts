import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readCatalog } from "../../../src/knowledge/index.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-catalog-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const read = (text: string) => {
  const file = join(folder, "catalog-info.yaml");
  writeFileSync(file, text);
  return readCatalog(file);
};

it("reads components and resources, their owners, tiers and what they depend on", async () => {
  const entries = await read(
    [
      "kind: Component\nmetadata:\n  name: front\n  description: Pages\n  annotations: {vigil.dev/criticality-tier: '1'}\nspec:\n  owner: group:default/web\n  dependsOn: [component:default/back, 'resource:db']",
      "kind: Resource\nmetadata: {name: db}\nspec: {owner: dba}",
      "kind: System\nmetadata: {name: shop}",
      "kind: Component\nmetadata: {name: odd, annotations: {vigil.dev/criticality-tier: seven}}",
    ].join("\n---\n"),
  );
  expect(entries).toEqual([
    { name: "front", description: "Pages", owner: "web", tier: 1, dependsOn: ["back", "db"] },
    { name: "db", description: "", owner: "dba", tier: null, dependsOn: [] },
    { name: "odd", description: "", owner: "", tier: null, dependsOn: [] },
  ]);
});

it("has nothing to say of an empty file", async () => {
  expect(await read("")).toEqual([]);
});

it("names file and line of what is not YAML", async () => {
  await expect(read("kind: Component\nmetadata: {name: a\n")).rejects.toThrow(/catalog-info\.yaml: .*line \d/);
});

it("does not stumble over entities of an odd shape", async () => {
  expect(
    await read("kind: Component\nmetadata: {name: a}\nspec: {dependsOn: resource:db, owner: 7}\n---\njust text\n---\n- list"),
  ).toEqual([{ name: "a", description: "", owner: "7", tier: null, dependsOn: [] }]);
});
