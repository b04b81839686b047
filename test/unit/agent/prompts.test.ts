import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { loadPrompt, Prompts, versionOf } from "../../../src/agent/prompts.ts";

const FOLDER = `${import.meta.dirname}/../../../prompts`;

/** Each version's text, so that nobody changes a prompt under a version that stored investigations name. A new text needs a new version here and there. */
const TEXTS: Readonly<Record<string, string>> = {
  "answer@4": "b6a603f093fc",
  "evidence@2": "d0d597669f60",
  "investigate@2": "f09742102422",
  "method@1": "05f4ea8804e5",
  "revise@1": "bc31f488e5d7",
  "role@1": "433f1970d3c6",
  "safety@2": "b4e1927e96ed",
  "task@2": "1cecf15d582c",
};

it("every text has a version of its own", () => {
  const names = readdirSync(FOLDER).map((file) => file.replace(/\.md$/, ""));
  const texts = names.map((name) => {
    const prompt = loadPrompt(FOLDER, name);
    return [versionOf(prompt), createHash("sha256").update(prompt.body).digest("hex").slice(0, 12)];
  });
  expect(Object.fromEntries(texts)).toEqual(TEXTS);
});

it("a prompt is composed of parts and names the versions of all of them; safety is in whatever is told to a model as its role", () => {
  const prompts = new Prompts(FOLDER);
  const safety = loadPrompt(FOLDER, "safety");
  for (const name of ["investigate", "answer"] as const) {
    const { text, versions } = prompts.compose(name, { now: "2026-11-25 02:47 UTC" });
    expect(text).toContain(safety.body);
    expect(text).toContain("2026-11-25 02:47 UTC");
    expect(text).not.toMatch(/\{\{\w+\}\}/);
    expect(versions).toContain(versionOf(safety));
  }
});
