import { describe, expect, it } from "vitest";
import { compareTemplates, mineTemplates } from "../../../src/diagnosis/log-templates.ts";

describe("log templates", () => {
  it("puts lines that differ in numbers and single words under one template", () => {
    const templates = mineTemplates([
      "INFO user 17 logged in from berlin",
      "INFO user 93 logged in from paris",
      "ERROR connection to 10.0.0.7 refused",
      "INFO user 5 logged in from rome",
    ]);
    expect(templates).toEqual([
      { template: "INFO user <*> logged in from <*>", lines: [0, 1, 3] },
      { template: "ERROR connection to <*> refused", lines: [2] },
    ]);
  });

  it("finds what appeared, vanished and changed rate, in the order of surprise, allowing for more traffic", () => {
    const lines = (count: number, text: string) => Array.from({ length: count }, (_, n) => `${text} ${n}`);
    const changes = compareTemplates(
      [...lines(50, "order written"), ...lines(30, "cache hit")],
      [...lines(100, "order written"), ...lines(25, "write timed out after")],
      2,
    );
    expect(changes.map(({ template, before, during }) => [template, before, during])).toEqual([
      ["cache hit <*>", 30, 0],
      ["write timed out after <*>", 0, 25],
      ["order written <*>", 50, 100],
    ]);
    expect(changes.map(({ z }) => (Math.abs(z) < 1 ? 0 : Math.sign(z)))).toEqual([-1, 1, 0]);
  });

  it("keeps the place in the code that wrote a line apart, though it holds a number", () => {
    const templates = mineTemplates([
      "10:00 app.Orders#51 total 17",
      "10:01 app.Orders#77 total 17",
      "10:02 app.Orders#51 total 8",
    ]);
    expect(templates.map(({ template }) => template)).toEqual(["<*> app.Orders#51 total <*>", "<*> app.Orders#77 total <*>"]);
  });

  it("puts what one statement wrote under one template, however long its list is", () => {
    const [one, ...others] = mineTemplates([
      "app.Orders#51 stations asked for: rome",
      "app.Orders#51 stations asked for: rome, bern, oslo",
      "app.Orders#51 stations asked for: paris",
    ]);
    expect(one).toEqual({ template: "app.Orders#51 stations asked for: <*>", lines: [0, 1, 2] });
    expect(others).toEqual([]);
  });

  it("has nothing to say of no lines", () => {
    expect(mineTemplates([])).toEqual([]);
    expect(compareTemplates([], [])).toEqual([]);
  });
});
