import { setMaxListeners } from "node:events";
import type { Recording } from "../agent/recording.ts";
import type { SreAgent } from "../agent/types.ts";
import type { Investigation, InvestigationReport } from "../domain/investigation.ts";
import type { EpochMs } from "../domain/time.ts";
import { redact } from "../domain/untrusted.ts";
import type { Log } from "./log.ts";
import { pictureKey, pictureOfChart } from "./picture.ts";
import { type Audience, type IncomingQuestion, OPERATOR, type Reply, type ThreadRef } from "./ports.ts";
import type { ConversationLog, RecordingStore } from "./stores.ts";

export interface AnswerDependencies {
  readonly agent: SreAgent;
  readonly conversation: ConversationLog;
  /** The investigation whose thread this is, or null. */
  readonly investigationAt: (at: ThreadRef) => Promise<Investigation | null>;
  readonly recordings?: RecordingStore;
  /** Puts the new report of an investigation in the place of the one that somebody objected to. */
  readonly revise?: (
    id: string,
    report: InvestigationReport,
    recording: Recording | null,
    audience: Audience,
  ) => Promise<boolean>;
  /** Does work that may use only what this audience may know. */
  readonly within: <T>(audience: Audience, work: () => Promise<T>) => Promise<T>;
  readonly now: () => EpochMs;
  readonly log: Log;
}

const HISTORY = 12;
const LONGEST_QUESTION = 4_000;

/** Answers an engineer's question in its thread, with evidence; a message that is delivered twice is answered once. */
export class Answerer {
  readonly #deps: AnswerDependencies;
  readonly #running = new Map<AbortController, ThreadRef>();

  constructor(deps: AnswerDependencies) {
    this.#deps = deps;
  }

  async ask(question: IncomingQuestion, reply: Reply): Promise<void> {
    const { agent, conversation, now, log } = this.#deps;
    // A secret that somebody pasted goes neither to the model nor to the disk.
    const text = redact(question.text).trim();
    if (text.length === 0) return reply.sorry("Ask me something, for instance: why is checkout slow?");
    if (text.length > LONGEST_QUESTION) {
      return reply.sorry(`That question has ${text.length} characters; please keep it under ${LONGEST_QUESTION}.`);
    }
    const history = await conversation.turns(question.at, HISTORY);
    const isNew = await conversation.addTurn(question.at, {
      id: question.messageId,
      at: now(),
      from: "engineer",
      author: `${question.user.surface}:${question.user.id}`,
      text,
    });
    if (!isNew) return;
    const abort = new AbortController();
    // Every tool call listens for the stop.
    setMaxListeners(100, abort.signal);
    this.#running.set(abort, question.at);
    try {
      const investigation = await this.#deps.investigationAt(question.at);
      const recorded = investigation ? await this.#deps.recordings?.recording(investigation.id) : null;
      const answering = async () => {
        let recording: Recording | null = null;
        const answer = await agent.answer(
          {
            question: text,
            history,
            investigation: investigation && {
              id: investigation.id,
              anomalies: investigation.anomalies,
              report: investigation.report,
              recording: recorded ?? null,
            },
            requester: `${question.user.surface}:${question.user.id}`,
            channel: `${question.at.surface}:${question.at.channel}`,
          },
          {
            onStep: (step) => void reply.step(step).catch((error) => log.warn({ err: error }, "a step could not be shown")),
            onRecorded: (seen) => {
              recording = seen;
            },
          },
          abort.signal,
        );
        return { answer, recording };
      };
      const { audience = null } = question;
      const heard = await (audience === OPERATOR ? answering() : this.#deps.within(audience, answering));
      const { answer } = heard;
      if (investigation && answer.revises) {
        // The operator may see what is private, the readers of the card may not: for them it is thought over with what they may know.
        const place = audience === OPERATOR ? (investigation.audience ?? null) : audience;
        const told = audience === OPERATOR ? await this.#deps.within(place, answering) : heard;
        if (told.answer.revises && told.answer.report)
          await this.#deps.revise?.(told.answer.revises, told.answer.report, told.recording, place);
      }
      if (answer.chart)
        await this.#deps.recordings?.saveAnswerPicture(pictureKey(question.messageId), pictureOfChart(answer.chart));
      await conversation.addTurn(question.at, {
        id: `${question.messageId}/answer`,
        at: now(),
        from: "vigil",
        text: answer.text,
      });
      await reply.answer(answer);
    } catch (error) {
      log.error({ err: error, message: question.messageId }, "a question could not be answered");
      await reply.sorry(
        abort.signal.aborted
          ? "Stopped as you asked."
          : "I could not answer that: something in me failed and was logged. Ask again, or type `/vigil status`.",
      );
    } finally {
      this.#running.delete(abort);
    }
  }

  /** Cancels the answers in progress: those of one thread, or all. */
  stop(at: ThreadRef | null = null): void {
    for (const [abort, place] of this.#running) {
      const here = at === null || (place.surface === at.surface && place.channel === at.channel && place.thread === at.thread);
      if (here) abort.abort(new Error("cancelled"));
    }
  }
}
