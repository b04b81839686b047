import type { Investigation } from "../domain/investigation.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { Kpis } from "../learning/kpis.ts";
import type { ChatUser, HomeFacts } from "./ports.ts";
import { headlineFigures } from "./report.ts";
import { signalName } from "./signals.ts";

export interface HomeDependencies {
  readonly stopped: () => Promise<string | null>;
  readonly mind: () => string;
  readonly watchedSeries: () => number;
  readonly pending: () => Promise<readonly Proposal[]>;
  readonly mayDecide: (proposal: Proposal, actor: string) => Promise<boolean>;
  readonly running: () => Promise<readonly Investigation[]>;
  readonly figures: () => Promise<Kpis>;
  readonly undelivered: () => Promise<HomeFacts["undelivered"]>;
}

/** What one person sees at home. None of it needs a model. */
export async function homeOf(deps: HomeDependencies, user: ChatUser): Promise<HomeFacts> {
  const [stopped, pending, running, figures, undelivered] = await Promise.all([
    deps.stopped(),
    deps.pending(),
    deps.running(),
    deps.figures(),
    deps.undelivered(),
  ]);
  const actor = `${user.surface}:${user.id}`;
  const awaiting = await Promise.all(
    pending
      .toSorted((a, b) => a.expiresAt - b.expiresAt)
      .map(async (proposal) => ({ proposal, yours: await deps.mayDecide(proposal, actor) })),
  );
  return {
    stopped,
    mind: deps.mind(),
    watchedSeries: deps.watchedSeries(),
    awaiting,
    running: running.map((one) => ({ id: one.id, title: titleOf(one), startedAt: one.startedAt })),
    figures: headlineFigures(figures),
    undelivered,
  };
}

function titleOf({ anomalies, question }: Investigation): string {
  const [first] = anomalies;
  return first ? `${first.service} ${signalName(first.signal)}` : (question ?? "looking around");
}
