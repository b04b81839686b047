import type {
  ChatHandlers,
  ChatUser,
  DecisionReply,
  HomeFacts,
  IncomingDecision,
  IncomingFeedback,
  IncomingQuestion,
  Refusal,
  Reply,
  ThreadRef,
} from "../../src/flows/ports.ts";
import { answer } from "./chat-samples.ts";

/** Handlers that remember what they were asked, and answer as a test tells them. */
export class FakeHandlers implements ChatHandlers {
  readonly questions: IncomingQuestion[] = [];
  readonly decisions: IncomingDecision[] = [];
  readonly verdicts: IncomingFeedback[] = [];
  readonly commands: { text: string; user: ChatUser; at: ThreadRef }[] = [];
  readonly cancelled: ThreadRef[] = [];
  onAsk: (question: IncomingQuestion, reply: Reply) => Promise<void> = (_question, reply) => reply.answer(answer());
  onDecide: (decision: IncomingDecision) => Promise<DecisionReply> = async () => ({
    accepted: true,
    text: "Approved PRO-1; running it now.",
  });
  onCommand: (text: string) => Promise<string> = async (text) => `**Ready.** You said ${text}.`;

  async ask(question: IncomingQuestion, reply: Reply): Promise<void> {
    this.questions.push(question);
    await this.onAsk(question, reply);
  }

  async decide(decision: IncomingDecision): Promise<DecisionReply> {
    this.decisions.push(decision);
    return this.onDecide(decision);
  }

  async feedback(feedback: IncomingFeedback): Promise<DecisionReply> {
    this.verdicts.push(feedback);
    return { accepted: true, text: feedback.verdict ? `Thank you, noted as ${feedback.verdict}.` : "Your vote is withdrawn." };
  }

  async cancel(at: ThreadRef): Promise<void> {
    this.cancelled.push(at);
  }

  readonly refusals: Refusal[] = [];
  onHome: () => HomeFacts = () => ({
    stopped: null,
    mind: "offline reasoner",
    watchedSeries: 27,
    awaiting: [],
    running: [],
    figures: [],
    undelivered: [],
  });

  async home(): Promise<HomeFacts> {
    return this.onHome();
  }

  async refused(refusal: Refusal): Promise<void> {
    this.refusals.push(refusal);
  }

  async command(text: string, user: ChatUser, at: ThreadRef): Promise<string> {
    this.commands.push({ text, user, at });
    return this.onCommand(text);
  }
}

export const silentLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Waits until something holds; fails with what it waited for. */
export async function until<T>(what: string, probe: () => T | Promise<T>, within = 30_000): Promise<NonNullable<T>> {
  const end = Date.now() + within;
  for (;;) {
    const value = await probe();
    if (value) return value as NonNullable<T>;
    if (Date.now() > end) throw new Error(`Waited ${within} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 15));
  }
}
