import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { postmortem } from "../../../src/commands/postmortem.ts";
import { loadConfig } from "../../../src/config.ts";
import type { Proposal } from "../../../src/domain/proposal.ts";
import { draftPostmortem } from "../../../src/flows/postmortem.ts";
import { parseMarkdown } from "../../../src/knowledge/index.ts";
import { closeStores, openStores } from "../../../src/stores.ts";
import { anomaly } from "../../support/domain-samples.ts";
import { investigation, START, vote } from "../../support/judged.ts";

const MINUTE = 60_000;
const of = { ...investigation("INV-7"), incidentId: "IN-3", startedAt: START, finishedAt: START + MINUTE };
const series = anomaly({
  service: "shelf",
  startedAt: START - 9 * MINUTE,
  detectedAt: START - MINUTE,
  endedAt: START + 30 * MINUTE,
});
const incident = {
  id: "IN-3",
  state: "resolved" as const,
  openedAt: START,
  resolvedAt: START + 30 * MINUTE,
  services: ["shelf"],
  anomalies: [series],
  title: "shelf slow",
};
const proposal = {
  id: "PRO-1",
  summary: "flag new-layout: 25% → 0%",
  createdAt: START + 2 * MINUTE,
  approvals: [
    { user: "slack:U1", at: START + 3 * MINUTE },
    { user: "slack:U2", at: START + 4 * MINUTE, reason: "[here](https://evil.example) `rm` api_key=hunter2 <b>\n## Actions" },
  ],
  state: "verified",
  outcome: "latency −11 %",
} as unknown as Proposal;

describe("a draft of a post-mortem", () => {
  const text = draftPostmortem({
    investigation: of,
    incident,
    proposals: [proposal],
    votes: [vote("INV-7", "slack:U1", "correct", { missed: "the second region" })],
    turns: [{ id: "1", at: START + 5 * MINUTE, from: "engineer", text: "password=hunter2 is\nnot the problem" }],
  });

  it("tells what happened in order, with who said and did what, and without secrets", () => {
    const timeline = /## Timeline\n([\s\S]*?)\n\n/.exec(text)?.[1]?.split("\n") ?? [];
    expect(timeline.map((one) => one.slice(0, 18))).toEqual([...timeline.map((one) => one.slice(0, 18))].sort());
    expect(timeline[0]).toContain("shelf latency begins to leave its baseline");
    expect(text).toContain("PRO-1 approved by slack:U1");
    // What an approver wrote is code in one line: no link, mention or mark in it works, and no secret.
    expect(text).toContain(
      "PRO-1 approved by slack:U2, who wrote: `[here](https://evil.example) 'rm' api_key=[redacted secret] <b> ## Actions`",
    );
    expect(text).toContain("an engineer: password=[redacted secret] is not the problem");
    expect(text).toContain("PRO-1 helped and was verified");
    expect(text).toContain("Missed at first: the second region");
    expect(text).toContain("lasted 39 min");
  });

  it("names no root cause that was found wrong, and quotes of an answer its first line", () => {
    const failed = { ...proposal, state: "rolled_back", outcome: "got worse" } as Proposal;
    const waiting = { ...proposal, id: "PRO-2", state: "pending", outcome: null } as Proposal;
    const doubted = draftPostmortem({
      investigation: of,
      incident,
      proposals: [failed, waiting],
      votes: [vote("INV-7", "vigil:outcome", "incorrect")],
      turns: [
        { id: "1", at: START, from: "vigil", text: "**Still going on** since 02:55: x. [E23, E24]\n- PRO-1 was undone. [E23]" },
      ],
    });
    expect(doubted).toContain("root_cause: not known yet");
    expect(doubted).toContain("## Root cause\nnot known yet");
    expect(doubted).toContain("Wrongly blamed at first");
    expect(doubted).not.toContain("A cause was named");
    expect(doubted).toContain("Vigil: Still going on since 02:55: x.\n");
    expect(doubted).toContain("PRO-2 is pending");
    expect(text).toContain("PRO-1 ended verified");
  });

  it("is a document of the context repository", () => {
    expect(parseMarkdown("postmortems/x.md", text)).toMatchObject({
      id: "PM-INV-7",
      kind: "post-mortem",
      services: ["shelf"],
      metadata: {
        status: "draft",
        root_cause: expect.stringContaining("new-layout"),
        resolution: expect.stringContaining("25% → 0%"),
      },
    });
  });
});

describe("vigil postmortem", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "vigil-pm-"));
    const config = join(folder, "vigil.yaml");
    writeFileSync(config, "knowledge: {folders: []}\n");
    for (const [key, value] of Object.entries({ VIGIL_DATA_DIR: join(folder, "state"), VIGIL_DEMO: "off", VIGIL_CONFIG: config }))
      vi.stubEnv(key, value);
    vi.spyOn(process.stdout, "write").mockReturnValue(true);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it("writes a draft, refuses it until it was edited, and then has it found", async () => {
    const stores = await openStores(loadConfig());
    await stores.investigations.save(of);
    await stores.investigations.saveIncident(incident);
    await closeStores(stores);
    const file = join(folder, "draft.md");
    await postmortem("IN-3", { out: file });
    await expect(postmortem("IN-3", { out: file })).rejects.toThrow("exists already");
    await expect(postmortem(null, { publish: file })).rejects.toThrow('still says "status: draft"');
    writeFileSync(file, readFileSync(file, "utf8").replace("status: draft", "status: final"));
    await postmortem(null, { publish: file });
    const again = await openStores(loadConfig());
    const known = await again.state.selectFrom("documents").selectAll().execute();
    await closeStores(again);
    expect(known.map(({ key }) => key)).toEqual(["postmortems/PM-INV-7.md"]);
    await expect(postmortem("INV-99", { out: join(folder, "x.md") })).rejects.toThrow("no investigation or incident INV-99");
  });
});
