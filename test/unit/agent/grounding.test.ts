import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { groundText, isGrounded } from "../../../src/agent/grounding.ts";
import { loadPrompt, PromptError, renderPrompt, versionOf } from "../../../src/agent/prompts.ts";
import type { Evidence } from "../../../src/domain/investigation.ts";

const latency: Evidence = {
  id: "E1",
  tool: "query_metrics",
  args: {},
  title: "checkout: latency",
  summary: "checkout latency 134 ms, before 120 ms, since 02:07 UTC",
  facts: { mean: 0.1344, change_percent: 12, memory: 812_000_000 },
  services: ["checkout"],
  at: 0,
  link: null,
  suspicious: false,
};

describe("grounding a claim", () => {
  it.each<[string, string[], boolean]>([
    ["Latency is 134 ms, up 12 %.", ["E1"], true],
    ["Latency is 0.13 s since 02:07.", ["E1"], true],
    ["Memory is 812 MB.", ["E1"], true],
    ["Latency is 184 ms.", ["E1"], false],
    ["It began at 03:15.", ["E1"], false],
    ["Latency rose.", ["E9"], false],
    ["Latency rose.", [], false],
  ])("%s %j", (text, evidence, grounded) => {
    expect(isGrounded({ text, evidence }, [latency])).toBe(grounded);
  });

  it("strikes only the sentence that invents", () => {
    expect(groundText("Latency is 134 ms [E1]. It costs 9000 dollars [E1]. See [E7].", [latency])).toEqual({
      text: "Latency is 134 ms [E1].",
      struck: 2,
      claims: 3,
    });
  });
});

describe("prompts", () => {
  const folder = mkdtempSync(join(tmpdir(), "prompts-"));
  const write = (text: string) => writeFileSync(join(folder, "greet.md"), text);

  it("are rendered with exactly their inputs, and inserted text is not expanded again", () => {
    write("---\nname: greet\nversion: 2\ninputs: [who]\n---\nHello {{who}}.");
    const prompt = loadPrompt(folder, "greet");
    expect(versionOf(prompt)).toBe("greet@2");
    expect(renderPrompt(prompt, { who: "{{who}}" })).toBe("Hello {{who}}.");
    expect(() => renderPrompt(prompt, {})).toThrow(/needs the input "who"/);
    expect(() => renderPrompt(prompt, { who: "a", why: "b" })).toThrow(/no input "why"/);
  });

  it("say what is wrong with them", () => {
    write("no front matter");
    expect(() => loadPrompt(folder, "greet")).toThrow(PromptError);
    write("---\nname: greet\nversion: 1\ninputs: []\n---\nHello {{who}}.");
    expect(() => loadPrompt(folder, "greet")).toThrow(/inputs do not list/);
    expect(() => loadPrompt(folder, "absent")).toThrow(/cannot be read/);
  });
});
