import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Execution } from "../../src/actions/store.ts";
import type { IncomingAlert } from "../../src/flows/alert.ts";
import { AlertRepository } from "../../src/store/alerts.ts";
import { verifyAudit } from "../../src/store/audit.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { DeliveryRepository } from "../../src/store/deliveries.ts";
import { EscalationRepository } from "../../src/store/escalations.ts";
import { ExperimentRepository } from "../../src/store/experiments.ts";
import { FeedbackRepository } from "../../src/store/feedback.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { KnowledgeRepository } from "../../src/store/knowledge.ts";
import { ProposalRepository } from "../../src/store/proposals.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { SwitchRepository } from "../../src/store/switches.ts";
import { investigation, proposal } from "../support/chat-samples.ts";
import { type Places, postgresDatabases, sqliteFiles } from "../support/state-places.ts";

const T = Date.UTC(2026, 10, 24, 3);

/** What every database for the state must do, with all migrations on it; `first` and `second` are two processes' connections to one. */
function stateContract(places: Places): void {
  describe(`state in ${places.name}`, () => {
    let first: StateDatabase;
    let second: StateDatabase;
    beforeAll(() => places.start(), 120_000);
    afterAll(() => places.stop());
    beforeEach(async () => {
      const place = await places.fresh();
      [first, second] = await Promise.all([openStateDatabase(place), openStateDatabase(place)]);
    });
    afterEach(async () => {
      await first.destroy();
      await second.destroy();
    });
    const proposals = (db: StateDatabase) => new ProposalRepository(db, () => T);
    const note = { actor: "vigil", kind: "test", subject: "PRO-1", data: {} };
    const stored = (changed = {}) => ({
      proposal: proposal({ createdAt: T, expiresAt: T + 300_000, ...changed }),
      preState: "25",
      snapshot: "25",
    });
    const file = (db: StateDatabase, changed = {}) =>
      proposals(db).file(
        T,
        () => ({ ok: true, value: stored(changed) }),
        () => note,
      );
    /** Approves while it is pending and this person has not yet. */
    const approve = async (db: StateDatabase, user: string) => {
      const decided = await proposals(db).decide(
        "PRO-1",
        ({ stored: { proposal: now } }) =>
          now.state === "pending" && !now.approvals.some((one) => one.user === user)
            ? { ok: true, value: { user, verdict: "approve", reason: null, via: "button", at: T + 1 } }
            : { ok: false, refusal: "no" },
        () => note,
      );
      return decided?.ok ? decided.value : null;
    };
    const execution: Execution = {
      proposalId: "PRO-1",
      idempotencyKey: "k",
      holder: "a",
      sentBy: T,
      settledBy: T,
      stage: 0,
      expected: "25",
      standing: null,
      trouble: null,
      undoSent: false,
      actedAt: null,
      reference: null,
      verifier: null,
      nextSample: null,
    };

    it("keeps a proposal as it was, with times as numbers", async () => {
      expect(await proposals(first).nextProposalId()).toBe("PRO-1");
      expect(await proposals(second).nextProposalId()).toBe("PRO-2");
      await file(first);
      expect(await proposals(second).get("PRO-1")).toEqual(stored());
      expect((await proposals(second).list({ states: ["pending"] })).map(({ id }) => id)).toEqual(["PRO-1"]);
    });

    it("of forty decisions at once over two connections, one wins", async () => {
      await file(first);
      const decided = await Promise.all(
        Array.from({ length: 40 }, (_, index) => approve(index % 2 === 0 ? first : second, `web:u${index}`)),
      );
      expect(decided.filter((one) => one !== null)).toHaveLength(1);
      expect((await proposals(first).get("PRO-1"))?.proposal).toMatchObject({ state: "approved", approvals: [{ at: T + 1 }] });
    });

    it("counts a person once, and approves when enough distinct people said yes", async () => {
      await file(first, { neededApprovals: 2 });
      expect((await approve(first, "web:a"))?.state).toBe("pending");
      expect(await approve(second, "web:a")).toBeNull();
      expect((await approve(second, "web:b"))?.state).toBe("approved");
    });

    it("of twenty claims at once over two connections, one wins, and the target is locked until the end", async () => {
      await file(first);
      await approve(first, "web:a");
      const claims = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          proposals(index % 2 === 0 ? first : second).claim(
            "PRO-1",
            "approved",
            T,
            ({ heldBy }) =>
              heldBy
                ? { ok: false, refusal: { to: "stale", why: heldBy } }
                : { ok: true, value: { ...execution, holder: `${index}` } },
            T,
            () => note,
          ),
        ),
      );
      expect(claims.filter((one) => one?.ok)).toHaveLength(1);
      const experiment = {
        id: "X",
        flag: stored().proposal.target.slice("flag:".length),
        snapshot: "25",
        state: "pinning" as const,
        holder: "a",
        pinnedBy: T + 5,
        restoreBy: T + 9,
        startedAt: T,
        endedAt: null,
      };
      expect(await new ExperimentRepository(second, () => T).begin(experiment, note)).toContain("PRO-1 is in flight");
      expect(await proposals(second).saveExecution({ ...execution, standing: "0" }, "verifying")).toBe(false);
      expect(await proposals(second).move("PRO-1", ["executing"], "verified", "well", note)).toBe(true);
      expect(await proposals(first).move("PRO-1", ["executing"], "unknown", "late", note)).toBe(false);
      expect(await proposals(first).ranSince(T)).toMatchObject([{ at: T, state: "verified" }]);
      const experiments = new ExperimentRepository(first, () => T);
      expect(await experiments.begin(experiment, note)).toBeNull();
      expect(await new ExperimentRepository(second, () => T).open()).toEqual([experiment]);
      await experiments.save({ ...experiment, state: "restored", endedAt: T + 3 }, note);
      expect(await experiments.of(experiment.flag, T)).toMatchObject([{ state: "restored", endedAt: T + 3 }]);
    });

    it("stops everything for every process, resumes by distinct voices, and gives a lease to one holder at a time", async () => {
      await file(first);
      const [mine, theirs] = [new SwitchRepository(first), new SwitchRepository(second)];
      expect(await mine.stop("web:a", "drill", T)).toEqual(["PRO-1"]);
      expect(await theirs.stopped()).toEqual({ by: "web:a", reason: "drill" });
      expect(await theirs.resume("web:a", 2, T)).toBe(1);
      expect(await mine.resume("web:a", 2, T)).toBe(1);
      expect(await mine.resume("web:b", 2, T)).toBe(0);
      expect(await theirs.stopped()).toBeNull();
      expect(await mine.lease("executor", "a", T, 100)).toBe(true);
      expect(await theirs.lease("executor", "b", T + 99, 100)).toBe(false);
      expect(await mine.lease("executor", "a", T + 50, 100)).toBe(true);
      expect(await theirs.lease("executor", "b", T + 151, 100)).toBe(true);
      // A clock set back must not keep a lease alive for ever.
      expect(await mine.lease("executor", "a", T - 1_000, 100)).toBe(true);
    });

    it("keeps the audit chain whole under two writers at once", async () => {
      await Promise.all(
        Array.from({ length: 30 }, (_, index) => proposals(index % 2 === 0 ? first : second).audit({ ...note, data: { index } })),
      );
      expect(await verifyAudit(first)).toMatchObject({ rows: 30, broken: null });
    });

    it("keeps incidents, investigations, turns and what the watcher remembers", async () => {
      const repository = new InvestigationRepository(first);
      const other = new InvestigationRepository(second);
      expect(await Promise.all([repository.nextId("INV"), other.nextId("INV")])).toEqual(
        expect.arrayContaining(["INV-1", "INV-2"]),
      );
      const saved = investigation();
      await repository.save(saved);
      await repository.save({ ...saved, state: "failed" });
      expect(await other.get(saved.id)).toMatchObject({ state: "failed" });
      expect(await other.list({ since: saved.startedAt })).toHaveLength(1);
      const at = { surface: "web", channel: "incidents", thread: null };
      const turn = { id: "m1", at: T, from: "engineer" as const, text: "why?" };
      expect(await repository.addTurn(at, turn)).toBe(true);
      expect(await other.addTurn(at, turn)).toBe(false);
      expect(await other.turns(at, 5)).toEqual([turn]);
      await repository.remember("detector/a", { level: 0.2 });
      expect(await other.recall("detector/a")).toEqual({ level: 0.2 });
      await other.forget("detector/");
      expect(await repository.recall("detector/a")).toBeNull();
    });

    it("keeps documents and vectors bit for bit", async () => {
      const repository = new KnowledgeRepository(first);
      const vector = Float32Array.from([0.1, -2.5, Math.PI]);
      await repository.put({ key: "a", collection: "c", hash: "h", body: "{}" });
      await repository.put({ key: "a", collection: "c", hash: "h2", body: "{}" });
      await repository.saveVectors("m", [{ hash: "h2", vector }]);
      await repository.saveVectors("m", [{ hash: "h2", vector }]);
      expect(await new KnowledgeRepository(second).documents()).toMatchObject([{ key: "a", hash: "h2" }]);
      expect((await new KnowledgeRepository(second).vectors("m", ["h2"])).get("h2")).toEqual(vector);
    });

    it("keeps one verdict a person, and forgets a retracted one", async () => {
      const repository = new FeedbackRepository(first);
      const feedback = {
        investigationId: "INV-1",
        user: "web:maya",
        verdict: "partly" as const,
        realCause: null,
        missed: null,
        actionEffective: true,
        via: "button" as const,
        at: T,
      };
      await repository.put(feedback);
      await repository.put({ ...feedback, verdict: "correct", at: T + 1 });
      expect(await new FeedbackRepository(second).of("INV-1")).toMatchObject([{ ...feedback, verdict: "correct", at: T + 1 }]);
      await repository.retract("INV-1", "web:maya", T + 2);
      expect(await repository.all()).toEqual([]);
    });

    it("keeps cards on their way out, messages in order, events once and reactions", async () => {
      const repository = new ConversationRepository(first);
      const other = new ConversationRepository(second);
      const card = (title: string) => ({ title }) as never;
      expect(await repository.want("inv", "web", null, card("one"), T)).toBe(true);
      expect(await other.want("inv", "web", null, card("one"), T)).toBe(false);
      expect(await other.want("inv", "web", null, card("two"), T + 1)).toBe(true);
      expect(await repository.want("note", "web", "inv", card("three"), T)).toBe(true);
      const next = await other.next("web", T + 1);
      expect(next).toMatchObject({ subject: "inv", revision: 2, begun: false, card: { title: "two" } });
      if (!next) throw new Error("nothing to deliver");
      await repository.begin(next);
      await repository.saveRef("inv", "web", { channel: "c", message: "1" });
      await repository.done(next);
      expect(await other.next("web", T + 1)).toMatchObject({ subject: "note" });
      expect(await other.nextAt("web")).toBe(T);
      expect(await other.subjectOf("web", { channel: "c", message: "1" })).toBe("inv");
      const seqs = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 ? repository : other).putMessage({
            id: `m${index}`,
            thread: null,
            at: T,
            author: "vigil",
            kind: "text",
            body: "hello",
          }),
        ),
      );
      expect(new Set(seqs.map(({ seq }) => seq)).size).toBe(10);
      expect(await repository.takeIn("slack", "E1", { text: "x" }, T)).toBe("new");
      expect(await other.takeIn("slack", "E1", { text: "x" }, T)).toBe("open");
      expect(await other.open("slack", T)).toEqual([{ eventId: "E1", body: { text: "x" } }]);
      await other.settle("slack", "E1");
      expect(await repository.takeIn("slack", "E1", { text: "x" }, T)).toBe("settled");
      const thumb = { channel: "c", message: "1", user: "U1", emoji: "+1" };
      expect(await repository.react("slack", thumb, true, T)).toEqual(["+1"]);
      expect(await other.react("slack", thumb, false, T)).toEqual([]);
    });

    it("keeps alerts by episode, deliveries once and escalations", async () => {
      const alert: IncomingAlert = {
        source: "generic",
        fingerprint: "f",
        state: "firing",
        title: "slow",
        summary: "",
        service: "front",
        severity: "critical",
        labels: {},
        startsAt: T,
        endsAt: null,
        link: null,
      };
      const repository = new AlertRepository(first);
      expect(await repository.receive([alert, alert], T)).toBe(1);
      expect(await new AlertRepository(second).receive([alert], T)).toBe(0);
      const [pending] = await new AlertRepository(second).pending();
      expect(pending).toMatchObject({ startsAt: T, receivedAt: T, incidentId: null });
      await repository.settle([{ ...pending!, incidentId: "IN-1" }]);
      expect(await new AlertRepository(second).pending()).toEqual([]);
      expect(await repository.firing()).toMatchObject([{ incidentId: "IN-1" }]);
      const deliveries = new DeliveryRepository(first);
      await deliveries.mark("s", "1", T);
      await new DeliveryRepository(second).mark("s", "1", T);
      expect(await deliveries.seen("s", "1")).toBe(true);
      const escalations = new EscalationRepository(first);
      const escalation = {
        incidentId: "IN-1",
        pager: "p",
        key: "k",
        investigationId: null,
        state: "sent" as const,
        at: T,
        requester: "vigil",
        reason: "r",
        people: [],
        attempts: 1,
        outcome: "",
      };
      await escalations.put(escalation);
      await escalations.put({ ...escalation, attempts: 2 });
      expect(await new EscalationRepository(second).open()).toEqual([{ ...escalation, attempts: 2 }]);
    });
  });
}

stateContract(sqliteFiles);
stateContract(postgresDatabases());
