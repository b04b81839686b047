import type { Anomaly } from "../domain/anomaly.ts";
import { nearest } from "../domain/nearest.ts";
import type { Proposal, ProposalState } from "../domain/proposal.ts";
import type { ChangeEvent, ServiceName } from "../domain/telemetry.ts";
import { DAY } from "../domain/time.ts";
import { cleanUntrusted } from "../domain/untrusted.ts";
import { flagState, movesTraffic } from "./action-selector.ts";
import { findingsOf } from "./findings.ts";
import { mentioned } from "./offline/question.ts";
import type { Session } from "./session.ts";
import { checkAnomalies } from "./tools/check-anomalies.ts";
import { type ReadTool, type ToolLimits, toLangChainTool } from "./tools/kit.ts";
import { becameOf } from "./tools/list-actions.ts";
import { listChanges } from "./tools/list-changes.ts";
import type { QuestionRequest } from "./types.ts";

/** An action that a person asks for in their own words, not yet matched with what exists. */
export interface Wish {
  readonly verb: "roll_back" | "off" | "on" | "set" | "restart" | "scale";
  /** What follows the verb, in lower case. */
  readonly object: string;
  /** The first number in it: a share in per cent or a number of copies. */
  readonly amount: number | null;
}

const VERBS: readonly (readonly [Wish["verb"], string])[] = [
  ["roll_back", "roll(?:ing)? ?-?back|revert|undo|back out"],
  ["off", "turn off|switch off|disable|kill|flip off|toggle off"],
  ["on", "turn on|switch on|enable|flip on|toggle on"],
  ["set", "set|toggle|flip|ramp|move|turn down|reduce|lower|raise|increase"],
  ["restart", "restart|bounce|reboot|recycle"],
  ["scale", "scale|resize"],
];
/** What stands before a wish and means nothing. */
export const POLITE = String.raw`(?:(?:please|pls|ok|okay|yes|hey|vigil|then|now|just|go ahead and|let's|can you|could you|would you|will you|i want you to|i'd like you to)[\s,:]+)*`;

/** Reads a wish for an action. Only a request counts: "should we roll back?" asks for advice, "who turned it off?" for facts. */
export function wishOf(text: string): Wish | null {
  const words = text
    .toLowerCase()
    .replace(/[’]/g, "'")
    .replace(/[`*"]/g, "")
    .replace(/\s+/g, " ")
    .trim()
    // "turn X off" is "turn off X".
    .replace(/\b(turn|switch|flip|toggle) (?!off\b|on\b)(.{1,120}?) (off|on)\b/, "$1 $3 $2")
    .replace(/\b(roll) (?!back\b)(.{1,120}?) back\b/, "$1 back $2");
  for (const [verb, pattern] of VERBS) {
    const found = new RegExp(String.raw`^${POLITE}(?:${pattern})\b\s*(.*)$`).exec(words);
    if (!found) continue;
    const object = (found[1] ?? "").replace(/[?!.]+$/, "").slice(0, 300);
    const amount = /(?:^|\s)(\d+(?:\.\d+)?)\s*(?:%|per ?cent|copies|replicas|instances|pods)?(?=\s|$)/.exec(object)?.[1];
    return { verb, object, amount: amount === undefined ? null : Number(amount) };
  }
  return null;
}

/** An action with its arguments, or why none can be meant. */
type Meant =
  | { readonly action: string; readonly args: Readonly<Record<string, unknown>>; readonly services: readonly ServiceName[] }
  | { readonly why: string };

/**
 * Files the proposal that a person asked for. The action and its target come from the person's own words and from what exists, never from what a
 * tool read; the desk, the policy and the approvers decide as about any other, and who asked is its requester.
 * @returns what to tell them, or null when it was no wish after all
 */
export async function grant(
  wish: Wish,
  about: QuestionRequest["investigation"],
  session: Session,
  limits: ToolLimits,
): Promise<string | null> {
  const { deps, focus } = session;
  // Without an investigation nothing is open, and so nothing was proposed that could be meant.
  const proposals = await proposalsAbout(about, session);
  const call = async (tool: ReadTool, args: Readonly<Record<string, unknown>>): Promise<void> => {
    await toLangChainTool(tool, session, limits).invoke(args);
  };
  await call(listChanges, { from: new Date(focus.now - 30 * DAY).toISOString() });
  const changes = findingsOf(session.findings, "changes").flatMap(({ details }) => details.changes);
  const flags = await flagsOf(session, changes);
  const meant = match(wish, {
    flags,
    services: await session.services(),
    changes,
    waiting: proposals.filter(({ state }) => state === "pending"),
    it: meantByIt(wish, about, proposals, changes),
    last: proposals.find(({ state }) => HAS_RUN.has(state) || UNDONE.has(state)) ?? null,
    actions: deps.desk.actions.map(({ name }) => name),
  });
  if (meant === null) return null;
  if ("why" in meant) return meant.why;
  const { services } = meant;
  const target = String(meant.args.flag ?? meant.args.service);
  const ended = proposals.find(
    ({ state, target: on }) => (state === "verified" || state === "rolled_back") && on.endsWith(`:${target}`),
  );
  const helped = ended?.state === "verified" ? ended : null;
  if (services.length > 0) await call(checkAnomalies, { services: services.slice(0, 10) });
  const anomalous = [
    ...(about?.anomalies ?? []),
    ...findingsOf(session.findings, "anomalies").flatMap(({ details }) => details.anomalies),
  ];
  // What takes back an action that helped cannot be expected to help.
  const off = helped ? null : worst(anomalous);
  const outcome = await deps.desk.file({
    action: meant.action,
    args: meant.args,
    // Their words may have been said in a private place; the card is for everyone.
    reason: `${cleanUntrusted(session.requester, 120).text} asked for it${about ? ` in ${about.id}` : ""}.`,
    expectedEffect: off
      ? `${off.service} ${off.signal.replace("_", " ")} goes back to normal`
      : helped
        ? `not said; ${helped.id} helped by acting on the same target`
        : "not said; nothing watched is off its baseline",
    watch: off && {
      service: off.service,
      signal: off.signal,
      direction: off.direction === "up" ? "down" : "up",
      since: off.startedAt,
    },
    confidence: null,
    investigationId: about?.id ?? null,
    requester: session.requester,
  });
  if (!outcome.ok) return `I did not propose it: ${outcome.refusal}`;
  const { proposal } = outcome;
  session.proposals.push(proposal.id);
  const evidence = session.evidence.map(({ id }) => `[${id}]`).join(" ");
  const own = (await deps.desk.mayDecide?.(proposal, session.requester)) ?? false;
  const whose = own ? "you may give it yourself" : "you cannot give it yourself";
  const earlier =
    proposal.requester === session.requester
      ? ""
      : ` ${cleanUntrusted(proposal.requester, 80).text} had asked for the same already.`;
  return [
    `**${proposal.id}**: ${proposal.summary}. Risk ${proposal.risk.tier}; it needs ${approvalsOf(proposal)} on its card${about ? ` in the thread of ${about.id}` : ""}; ${whose}.${earlier}`,
    `Undo: ${proposal.undo}. ${evidence}`,
    ...(helped
      ? [
          `**Careful:** ${helped.id} (${helped.summary}) acted on the same target, and its effect is verified. Nothing is watched afterwards: look yourself.`,
        ]
      : ended
        ? [`**Careful:** ${ended.id} (${ended.summary}) acted on the same target, did not help and was undone.`]
        : []),
    ...(off || helped
      ? []
      : ["No signal is off its baseline there, so nothing can show that it helped: look yourself afterwards."]),
  ].join("\n");
}

/** What was proposed for an investigation, newest first. */
export async function proposalsAbout(about: QuestionRequest["investigation"], { deps }: Session): Promise<readonly Proposal[]> {
  const filed = about && (await deps.proposalsOf?.(about.id));
  return (filed ?? []).toSorted((a, b) => b.createdAt - a.createdAt);
}

/** `1 approval` */
export const approvalsOf = ({ neededApprovals }: Proposal): string =>
  `${neededApprovals} approval${neededApprovals === 1 ? "" : "s"}`;

interface Existing {
  readonly flags: ReadonlyMap<string, readonly ServiceName[]>;
  readonly services: readonly ServiceName[];
  readonly changes: readonly ChangeEvent[];
  readonly waiting: readonly Proposal[];
  /** What "it" may mean, most likely first: what was acted upon last, what is blamed. */
  readonly it?: readonly string[];
  /** The last action that ran, whether it stands or was taken back. */
  readonly last?: Proposal | null;
  readonly actions: readonly string[];
}

/** Finds what the words mean among what exists. */
export function match({ verb, object, amount }: Wish, existing: Existing): Meant | null {
  const { flags, services, changes, waiting, actions } = existing;
  const words: readonly string[] = object.match(/[a-z0-9][a-z0-9_.:/-]*/g) ?? [];
  const flag = [...flags.keys()].find((name) => words.includes(name.toLowerCase())) ?? null;
  const service = mentioned(object, services);
  const can = (action: string, make: () => Meant): Meant =>
    actions.includes(action) ? make() : { why: `No target is connected that could do that (${action.replaceAll("_", " ")}).` };
  const target = new Set(`${flag ?? ""} ${flag === null ? (service ?? "") : ""}`.toLowerCase().split(/[^a-z0-9]+/));
  const strange = words.filter(
    (word) => !FILLERS.has(word) && !/^\d/.test(word) && !word.split(/[^a-z0-9]+/).every((part) => target.has(part)),
  );
  // "Restart loops of checkout?" is no command.
  if (strange.length > (flag === null && service === null ? 2 : 1)) return null;
  if (flag === null && (service === null || verb === "off" || verb === "on" || verb === "set")) {
    const pronoun =
      /^(?:it|this|that|them|the (?:change|deploy|release|flag|rollout))?(?=\s*(?:to \d|now|again|please|back|$))/.exec(
        object.trim(),
      );
    // "The flag" is no restart that waits.
    const kind = verb === "off" || verb === "on" || verb === "set" || /flag|rollout/.test(pronoun?.[0] ?? "") ? "flag:" : "";
    const awaited = waiting.filter(({ target }) => target.startsWith(kind));
    if (pronoun && awaited.length > 0)
      return {
        why: `${awaited.map(({ id, summary }) => `${id} (${summary})`).join(", ")} ${awaited.length === 1 ? "awaits a decision: press Approve on its card" : "await a decision: press Approve on the card you mean"}. I take no approval in words.`,
      };
    if (pronoun && verb === "roll_back" && existing.last && UNDONE.has(existing.last.state))
      return { why: `${becameOf(existing.last)}.` };
    if (pronoun) {
      const { it: [meant] = [], ...rest } = existing;
      return meant === undefined
        ? { why: `I do not know what to ${VERB_WORDS[verb]}: name the flag or the service.` }
        : match({ verb, amount, object: `${meant} ${object.trim().slice(pronoun[0].length)}`.trim() }, rest);
    }
    const [word] = words.filter(
      (one) => !/^(?:the|a|flag|feature|to|for|in|service|deploy|release|of|prod|production)$/.test(one),
    );
    const known = [...flags.keys(), ...(verb === "off" || verb === "on" || verb === "set" ? [] : services)];
    const near = word ? nearest(word, known) : known.slice(0, 5);
    return {
      why: `I found nothing${word ? ` called "${cleanUntrusted(word, 80).text}"` : ""} that I could ${VERB_WORDS[verb]}. ${near.length > 0 ? `Nearest: ${near.join(", ")}.` : ""}`.trim(),
    };
  }
  const touched = flag === null ? (service === null ? [] : [service]) : (flags.get(flag) ?? []);
  const share = (percent: number): Meant =>
    percent < 0 || percent > 100
      ? { why: `${percent} % is no share of traffic; say 0 to 100.` }
      : can("toggle_feature_flag", () => ({ action: "toggle_feature_flag", args: { flag, percent }, services: touched }));
  switch (verb) {
    case "off":
      return actions.includes("turn_off_feature_flag")
        ? { action: "turn_off_feature_flag", args: { flag }, services: touched }
        : share(0);
    case "on":
    case "set":
      return amount === null ? { why: `To which share? Say for instance: set ${flag} to 10 %.` } : share(amount);
    case "roll_back": {
      if (flag === null)
        return can("roll_back_deploy", () => ({ action: "roll_back_deploy", args: { service }, services: touched }));
      const last = changes
        .filter((one) => one.kind === "flag" && one.subject === flag && movesTraffic(one))
        .toSorted((a, b) => b.at - a.at)[0];
      const was = last && flagState(last.before);
      return was ? share(was.percent) : { why: `I know no earlier state of ${flag}; say which share: set ${flag} to 0 %.` };
    }
    case "restart":
      return service === null
        ? { why: "A flag cannot be restarted." }
        : can("restart_service", () => ({ action: "restart_service", args: { service }, services: touched }));
    case "scale":
      if (service === null) return { why: "A flag cannot be scaled." };
      return amount === null
        ? { why: `To how many copies? Say for instance: scale ${service} to 4.` }
        : can("scale_service", () => ({ action: "scale_service", args: { service, replicas: amount }, services: touched }));
  }
}

const FILLERS = new Set(
  "the a an my our this that it them feature flag flags service services deploy deployment release version rollout change pod pods container containers workload to at of in on for from with back now please prod production again immediately everyone everybody all live traffic percent copies replicas instances last latest previous and asap".split(
    " ",
  ),
);

const VERB_WORDS: Readonly<Record<Wish["verb"], string>> = {
  roll_back: "roll back",
  off: "turn off",
  on: "turn on",
  set: "set",
  restart: "restart",
  scale: "scale",
};

/** The target of the last action that ran, else what the leading hypothesis blames. A service where only a service can be meant. */
function meantByIt(
  { verb }: Wish,
  about: QuestionRequest["investigation"],
  proposals: readonly Proposal[],
  changes: readonly ChangeEvent[],
): readonly string[] {
  const [lead] = about?.report?.hypotheses ?? [];
  if (verb === "restart" || verb === "scale") return lead?.service ? [lead.service.toLowerCase()] : [];
  const ran = proposals.filter(({ state }) => HAS_RUN.has(state)).map(({ target }) => target.slice(target.indexOf(":") + 1));
  const blamed = changes.filter(({ id }) => id === lead?.changeId).map(({ subject }) => subject);
  return [...ran, ...blamed].map((name) => name.toLowerCase());
}

/** States of an action that stands in the world as it was run. */
const HAS_RUN: ReadonlySet<ProposalState> = new Set(["executing", "verifying", "verified", "unknown"]);

const UNDONE: ReadonlySet<ProposalState> = new Set(["rolling_back", "undone", "rolled_back"]);

/** Flags that are known, with the services that read them. */
async function flagsOf({ deps }: Session, changes: readonly ChangeEvent[]): Promise<Map<string, readonly ServiceName[]>> {
  const testable = await deps.causal.candidates().catch(() => []);
  const changed = changes.filter(({ kind }) => kind === "flag").map(({ subject, services }) => [subject, services] as const);
  return new Map<string, readonly ServiceName[]>([
    ...changed,
    ...testable.map(({ flag, services }) => [flag, services] as const),
  ]);
}

/** The strongest of those that go on, else of all. */
function worst(anomalies: readonly Anomaly[]): Anomaly | null {
  const open = anomalies.filter(({ endedAt }) => endedAt === null);
  return open.toSorted((a, b) => b.score - a.score)[0] ?? null;
}
