import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../../src");

/** What each part may import besides itself and domain. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  detection: [],
  diagnosis: [],
  knowledge: [],
  actions: [],
  learning: [],
  agent: ["detection", "diagnosis", "knowledge", "actions", "learning"],
  flows: ["agent", "detection", "diagnosis", "knowledge", "actions", "learning"],
  chat: ["flows", "agent", "actions"],
  sources: ["flows", "targets", "agent", "knowledge"],
  observe: ["agent"],
  mcp: ["observe"],
  targets: ["actions"],
  store: ["flows", "actions", "knowledge", "learning", "agent", "chat"],
  demo: ["targets"],
  install: [],
};

function imports(): { file: string; from: string; to: string; path: string }[] {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)].map((match) => {
      const target = relative(root, resolve(root, dirname(file), match[1] as string));
      return { file, from: file.split("/")[0] as string, to: target.split("/")[0] as string, path: target };
    });
  });
}

describe("the direction of imports", () => {
  const all = imports();

  it("finds the project's imports at all", () => {
    expect(all.length).toBeGreaterThan(100);
  });

  it.each(Object.keys(allowed))("%s imports only what its layer may know", (part) => {
    const wrong = all.filter(
      ({ from, to }) => from === part && to !== part && to !== "domain" && !(allowed[part] ?? []).includes(to),
    );
    expect(wrong.map(({ file, to }) => `${file} -> ${to}`)).toEqual([]);
  });

  it("what is wired knows no command", () => {
    const wired = (file: string) => /^(?:wiring\/|core\.ts|stores\.ts|app\.ts)/.test(file);
    expect(all.filter(({ file, to }) => wired(file) && to === "commands").map(({ file, path }) => `${file} -> ${path}`)).toEqual(
      [],
    );
  });

  it("no two files need each other, however far around", () => {
    const next = new Map<string, string[]>();
    for (const { file, path } of all) next.set(file, [...(next.get(file) ?? []), path]);
    const needsItself = (file: string) => {
      const reached = new Set(next.get(file));
      for (const one of reached) for (const path of next.get(one) ?? []) reached.add(path);
      return reached.has(file);
    };
    expect([...next.keys()].filter(needsItself)).toEqual([]);
  });

  it.each(["agent", "mcp"])("34: nothing that %s imports, however far, holds write access: the model cannot act", (part) => {
    const reached = new Set(all.filter(({ from }) => from === part).map(({ file }) => file));
    for (const file of reached) for (const one of all) if (one.file === file) reached.add(one.path);
    expect(reached.size).toBeGreaterThan(1);
    // Of the actions only the interfaces and errors of targets: what files, decides and executes is handed in as a desk that can file.
    const armed = [...reached].filter(
      (file) => !/^(?:agent|mcp|domain|observe|detection|diagnosis|knowledge|learning)\//.test(file),
    );
    expect(armed.filter((file) => file !== "actions/ports.ts")).toEqual([]);
    const system = /from "node:(?:child_process|net|tls|https?|fs\/promises)"|process\.env|\bfetch\(/;
    const reaching = [...reached].filter(
      (file) => /^(?:agent|mcp)\//.test(file) && system.test(readFileSync(join(root, file), "utf8")),
    );
    expect(reaching).toEqual([]);
  });

  it("the ports of targets are interfaces and errors, so that importing them hands over nothing", () => {
    const text = readFileSync(join(root, "actions/ports.ts"), "utf8");
    const exported = [...text.matchAll(/^export (?:abstract )?(\w+) (\w+)(?: extends (\w+))?/gm)];
    expect(exported.length).toBeGreaterThan(4);
    const other = exported.filter(
      ([, kind, , parent]) => !(kind === "interface" || kind === "type" || (kind === "class" && /Error$/.test(parent ?? ""))),
    );
    expect(other.map(([line]) => line)).toEqual([]);
  });

  it("no chat surface knows another", () => {
    const surfaces = ["slack", "teams", "web"];
    const wrong = all
      .filter(({ file }) => file.startsWith("chat/"))
      .filter(({ file, to: _ }) => {
        const own = file.split("/")[1] ?? "";
        const text = readFileSync(join(root, file), "utf8");
        return surfaces.includes(own) && surfaces.some((other) => other !== own && text.includes(`../${other}/`));
      });
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });
});
