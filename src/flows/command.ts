import type { Proposal } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { ChatUser } from "./ports.ts";

/** What the slash command reaches; none of it needs a model. */
export interface CommandDependencies {
  readonly status: () => Promise<StatusFacts>;
  readonly stop: (user: ChatUser, reason: string) => Promise<string>;
  readonly resume: (user: ChatUser) => Promise<string>;
  readonly services: () => Promise<readonly ServiceName[]>;
  /** Opens an investigation of a service and returns its id. */
  readonly investigate: (service: ServiceName, user: ChatUser) => Promise<string>;
  readonly report: () => Promise<string>;
}

export interface StatusFacts {
  readonly stopped: boolean;
  readonly mind: string;
  readonly watchedSeries: number;
  readonly runningInvestigations: readonly string[];
  readonly pendingProposals: readonly Proposal[];
  readonly telemetryTime: string;
}

const HELP = [
  "**What you can type**",
  "- `/vigil status`: what I watch, what runs, what awaits your approval",
  "- `/vigil investigate SERVICE`: look into a service now",
  "- `/vigil stop [REASON]`, or `stop` and nothing else: no action runs until people resume; pending proposals are cancelled",
  "- `/vigil resume`: lift the stop (needs as many people as your policy says)",
  "- `/vigil report`: what I found, cost and saved",
  "- or ask in plain words: *why is checkout slow?*, *what changed since 02:00?*, *have we seen this before?*",
].join("\n");

/** Runs `/vigil …` and answers in Markdown. */
export async function runCommand(deps: CommandDependencies, text: string, user: ChatUser): Promise<string> {
  const [verb = "help", ...rest] = text
    .trim()
    .replace(/^\/?vigil\s*/i, "")
    .split(/\s+/)
    .filter(Boolean);
  switch (verb.toLowerCase()) {
    case "help":
      return HELP;
    case "status":
      return statusText(await deps.status());
    case "stop":
      return deps.stop(user, rest.join(" ").slice(0, 500) || "no reason given");
    case "resume":
      return deps.resume(user);
    case "report":
      return deps.report();
    case "investigate": {
      const [wanted] = rest;
      const services = await deps.services();
      if (!wanted) return `Which service? I know: ${services.join(", ")}.`;
      const service = services.find((name) => name.toLowerCase() === wanted.toLowerCase());
      if (!service) return `I know no service \`${wanted.slice(0, 60).replaceAll("`", "'")}\`. I know: ${services.join(", ")}.`;
      return `Investigating ${service}: ${await deps.investigate(service, user)}.`;
    }
    default:
      return `I do not know \`${verb.slice(0, 40).replaceAll("`", "'")}\`.\n\n${HELP}`;
  }
}

function statusText(facts: StatusFacts): string {
  return [
    facts.stopped ? "**Stopped.** No action runs; `/vigil resume` lifts it." : "**Ready.**",
    `- Watching ${facts.watchedSeries} series; telemetry time ${facts.telemetryTime}`,
    `- Mind: ${facts.mind}`,
    `- Investigations running: ${facts.runningInvestigations.join(", ") || "none"}`,
    `- Awaiting approval: ${facts.pendingProposals.map((proposal) => `${proposal.id} (${proposal.summary})`).join("; ") || "nothing"}`,
  ].join("\n");
}
