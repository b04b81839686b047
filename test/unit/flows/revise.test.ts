import { AsyncLocalStorage } from "node:async_hooks";
import { setMaxListeners } from "node:events";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { createSreAgent } from "../../../src/agent/index.ts";
import type { SreAgent } from "../../../src/agent/types.ts";
import type { Investigation } from "../../../src/domain/investigation.ts";
import { Answerer } from "../../../src/flows/answer.ts";
import { Investigator } from "../../../src/flows/investigate.ts";
import { pictureKey } from "../../../src/flows/picture.ts";
import { type Audience, type InvestigationView, OPERATOR, type Reply } from "../../../src/flows/ports.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { RecordingRepository } from "../../../src/store/recordings.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { fakeWorld } from "../../support/fake-agent-world.ts";

const prompts = `${import.meta.dirname}/../../../prompts`;
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

it("an objection in the thread changes the stored investigation and its message; a picture is kept for its answer", async () => {
  const state = await openStateDatabase(":memory:");
  const [store, recordings] = [new InvestigationRepository(state), new RecordingRepository(state)];
  const world = fakeWorld("flag");
  // A test on traffic takes a while, as it does: what is held by then is shown.
  const run: typeof world.deps.causal.run = async (...given) => {
    await setTimeout(700);
    return world.deps.causal.run(...given);
  };
  const deps = { ...world.deps, causal: { ...world.deps.causal, run } };
  const agent = createSreAgent(deps, { prompts });
  const shown: InvestigationView[] = [];
  const investigator = new Investigator({
    store,
    recordings,
    agent,
    feedback: new FeedbackRepository(state),
    channel: { showInvestigation: async (view) => void shown.push(view), showProposal: async () => {}, tell: async () => {} },
    picture: async () => null,
    now: () => Date.now(),
    log,
  });
  const opening = {
    trigger: "anomaly",
    incidentId: null,
    anomalies: world.anomalies,
    question: null,
    requester: "vigil",
  } as const;
  const { id } = await investigator.open(opening);
  const first = await investigator.finished(id);
  const running = shown.find(({ investigation }) => investigation.state === "running" && investigation.hypotheses?.length);
  expect(running?.investigation.hypotheses?.[0]?.predictions?.length).toBeGreaterThan(0);
  expect(running?.investigation.cost?.toolCalls).toBeGreaterThan(0);

  const texts: string[] = [];
  const reply: Reply = {
    step: async () => {},
    answer: async ({ text }) => void texts.push(text),
    sorry: async (text) => void texts.push(`sorry: ${text}`),
  };
  const answerer = new Answerer({
    agent,
    conversation: store,
    within: (_at, work) => work(),
    recordings,
    investigationAt: () => store.get(id),
    revise: (...given) => investigator.revise(...given),
    now: () => Date.now(),
    log,
  });
  const at = { surface: "web", channel: "incidents", thread: id };
  const user = { surface: "web", id: "maya", name: "Maya" };
  await answerer.ask({ messageId: "m1", at, user, text: "you are wrong, it was the deploy" }, reply);
  const revised = (await store.get(id)) as Investigation;
  expect(texts[0]).toContain("I looked again");
  expect(revised.report?.evidence.some(({ tool }) => tool === "person")).toBe(true);
  const [was, is] = [first?.report?.hypotheses[0], revised.report?.hypotheses[0]];
  expect(is?.evidenceAgainst.length).toBeGreaterThan(was?.evidenceAgainst.length ?? 0);
  expect(is?.trail?.length).toBeGreaterThan(was?.trail?.length ?? 0);
  expect(JSON.parse(JSON.stringify(shown.at(-1)?.investigation.report))).toEqual(revised.report);
  expect((await recordings.recording(id))?.findings.length).toBe(revised.report?.evidence.length);

  // What was said once stays said: the next look starts from there.
  // And what was said in a private place makes the report one of that place.
  expect(revised.audience ?? null).toBeNull();
  await answerer.ask({ messageId: "m2", at, user, text: "check the orders db too", audience: "slack:C9" }, reply);
  const again = (await store.get(id)) as Investigation;
  expect(again.audience).toBe("slack:C9");
  expect(again.report?.evidence.filter(({ tool }) => tool === "person")).toHaveLength(2);

  await answerer.ask({ messageId: "m3", at, user, text: "show me p95 of checkout since 2am" }, reply);
  expect((await recordings.answerPicture(pictureKey("m3")))?.points.length).toBeGreaterThan(30);
  expect(((await store.get(id)) as Investigation).report).toEqual(again.report);
  await state.destroy();
});

it("what only the operator may see does not reach the report that an objection at the page makes for everyone", async () => {
  const state = await openStateDatabase(":memory:");
  const store = new InvestigationRepository(state);
  const { deps, anomalies } = fakeWorld("flag");
  const agent = createSreAgent(deps, { prompts });
  const { signal } = new AbortController();
  setMaxListeners(100, signal);
  const opening = { trigger: "anomaly", incidentId: null, anomalies, question: null, requester: "vigil" } as const;
  const report = await agent.investigate({ ...opening, investigationId: "INV-1" }, { onStep: () => {} }, signal);
  const places: (Audience | undefined)[] = [];
  const scope = new AsyncLocalStorage<{ audience: Audience }>();
  const seeing: SreAgent = {
    ...agent,
    answer: async (request) => {
      const place = scope.getStore()?.audience;
      places.push(place);
      const seen = { ...report, headline: place === undefined ? "the vault's key was lost" : "nothing new" };
      return {
        text: seen.headline,
        evidence: [],
        mind: report.mind,
        cost: report.cost,
        report: seen,
        revises: request.investigation?.id ?? null,
      };
    },
  };
  const revised: { headline: string; place: Audience }[] = [];
  const answerer = new Answerer({
    agent: seeing,
    conversation: store,
    within: (audience, work) => scope.run({ audience }, work),
    investigationAt: async () =>
      ({ ...opening, id: "INV-1", state: "done", openedAt: 0, finishedAt: 1, report, steps: [] }) as unknown as Investigation,
    revise: async (_id, { headline }, _recording, place) => revised.push({ headline, place }) > 0,
    now: () => 0,
    log,
  });
  const texts: string[] = [];
  const reply: Reply = {
    step: async () => {},
    answer: async ({ text }) => void texts.push(text),
    sorry: async (text) => void texts.push(text),
  };
  const at = { surface: "web", channel: "incidents", thread: "INV-1" };
  const user = { surface: "web", id: "operator", name: "Operator" };
  await answerer.ask({ messageId: "m1", at, user, text: "no, look again", audience: OPERATOR }, reply);
  expect(texts).toEqual(["the vault's key was lost"]);
  expect(places).toEqual([undefined, null]);
  expect(revised).toEqual([{ headline: "nothing new", place: null }]);
  await state.destroy();
});
