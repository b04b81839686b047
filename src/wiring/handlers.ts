import type { AnomalyScanner } from "../agent/types.ts";
import type { Presenter } from "../chat/presenter.ts";
import type { Config } from "../config.ts";
import type { Core } from "../core.ts";
import type { Clock } from "../domain/time.ts";
import { redact } from "../domain/untrusted.ts";
import type { Answerer } from "../flows/answer.ts";
import { runCommand } from "../flows/command.ts";
import { takeDecision } from "../flows/decision.ts";
import { takeFeedback } from "../flows/feedback.ts";
import { homeOf } from "../flows/home.ts";
import { correctionNoted, type Inference } from "../flows/infer.ts";
import type { Investigator } from "../flows/investigate.ts";
import type { ChatHandlers } from "../flows/ports.ts";
import { collectReport, reportText } from "../flows/report.ts";
import { stopIn } from "../flows/stop-word.ts";
import type { Stores } from "../stores.ts";

export interface HandlerParts {
  readonly core: Core;
  readonly stores: Stores;
  readonly investigator: Investigator;
  readonly answerer: Answerer;
  readonly presenter: Presenter;
  readonly inference: Inference;
  /** What is off its baseline now. */
  readonly scanner: AnomalyScanner;
  readonly watchedSeries: () => number;
  readonly clock: Clock;
  /** What answers, for people. */
  readonly mind: string;
  readonly worth: Config["worth"];
}

/** What happens when people do something on any surface: each handler is one flow. */
export function chatHandlers(parts: HandlerParts): ChatHandlers {
  const { core, investigator, answerer, presenter, inference, scanner, watchedSeries, clock, mind, worth } = parts;
  const { investigations, feedback } = parts.stores;
  const actor = (user: { surface: string; id: string }) => `${user.surface}:${user.id}`;
  const stop = async (user: { surface: string; id: string }, reason: string) => {
    await investigator.cancelAll();
    answerer.stop();
    return core.actions.stop(actor(user), reason);
  };
  return {
    ask: async (question, reply) => {
      const why = stopIn(question.text);
      if (why !== null) return reply.sorry(await stop(question.user, redact(why).slice(0, 500) || "said in the channel"));
      const id = await presenter.investigationAt(question.at);
      const about = id ? await investigations.get(id) : null;
      const verdict = about && (await inference.saidInThread(about, question.user, question.text, question.audience));
      if (!about || !verdict) return answerer.ask(question, reply);
      await investigator.show(about);
      await reply.sorry(correctionNoted(verdict, question.user.name));
    },
    decide: (decision) =>
      takeDecision(
        {
          isCardOf: (id, surface, message) => presenter.isCardOf(id, surface, message),
          decide: (request) => core.actions.decide(request),
          again: (request) => core.actions.again(request),
        },
        decision,
      ),
    feedback: (incoming) =>
      takeFeedback(
        {
          investigations,
          feedback,
          show: (investigation) => investigator.show(investigation),
          learning: core.learning,
          now: () => Date.now(),
        },
        incoming,
      ),
    cancel: async (at) => {
      answerer.stop(at);
      const id = await presenter.investigationAt(at);
      if (id) await investigator.cancel(id);
    },
    command: (text, user, at) =>
      runCommand(
        {
          status: async () => ({
            stopped: (await core.actions.stopReason()) !== null,
            mind,
            watchedSeries: watchedSeries(),
            runningInvestigations: (await investigations.list({ state: "running" })).map((one) => one.id),
            pendingProposals: await core.actions.list({ states: ["pending"] }),
            telemetryTime: new Date(clock.now()).toISOString(),
          }),
          stop,
          resume: (who) => core.actions.resume(actor(who)),
          services: () => core.telemetry.metrics.services(),
          investigate: async (service, who) => {
            const anomalies = await scanner.scan([service], clock.now());
            const opened = await investigator.open({
              trigger: "question",
              incidentId: null,
              anomalies,
              question: `investigate ${service}`,
              requester: actor(who),
              channel: `${at.surface}:${at.channel}`,
            });
            return opened.id;
          },
          report: async () => reportText(await collectReport(core.records, worth)),
        },
        text,
        user,
      ),
    home: (user) =>
      homeOf(
        {
          stopped: () => core.actions.stopReason(),
          mind: () => mind,
          watchedSeries,
          pending: () => core.actions.list({ states: ["pending"] }),
          mayDecide: (proposal, who) => core.actions.mayDecide(proposal, who),
          running: () => investigations.list({ state: "running" }),
          figures: () => collectReport(core.records, worth),
          undelivered: () => presenter.undelivered(),
        },
        user,
      ),
    refused: ({ kind, actor: who, subject, reason }) => core.actions.audit({ actor: who, kind, subject, data: { reason } }),
  };
}
