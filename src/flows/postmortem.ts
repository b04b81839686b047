import { stringify } from "yaml";
import type { Feedback } from "../domain/feedback.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation } from "../domain/investigation.ts";
import { FINAL_STATES, type Proposal } from "../domain/proposal.ts";
import { type EpochMs, MINUTE } from "../domain/time.ts";
import { cleaned, cleanUntrusted } from "../domain/untrusted.ts";
import { signalName } from "./signals.ts";
import type { ConversationLog, FeedbackStore, InvestigationStore, Turn } from "./stores.ts";

export interface PostmortemFacts {
  readonly investigation: Investigation;
  readonly incident: Incident | null;
  readonly proposals: readonly Proposal[];
  readonly votes: readonly Feedback[];
  /** What was said in its threads, oldest first. */
  readonly turns: readonly Turn[];
}

export interface PostmortemSources {
  readonly investigations: Pick<InvestigationStore, "get" | "incident" | "ofIncident">;
  readonly feedback: Pick<FeedbackStore, "of">;
  readonly proposals: (investigationId: string) => Promise<readonly Proposal[]>;
  /** What was said in the threads of an investigation, oldest first. */
  readonly turns: (investigationId: string) => Promise<readonly Turn[]>;
}

/** Everything stored about an investigation, or about the last one of an incident; null when there is none of this name. */
export async function collectPostmortem(sources: PostmortemSources, id: string): Promise<PostmortemFacts | null> {
  const investigation = (await sources.investigations.get(id)) ?? (await sources.investigations.ofIncident(id));
  if (!investigation) return null;
  const [incident, proposals, votes, turns] = await Promise.all([
    investigation.incidentId ? sources.investigations.incident(investigation.incidentId) : null,
    sources.proposals(investigation.id),
    sources.feedback
      .of(investigation.id)
      // A post-mortem is for everyone: what was said in a private place stays there.
      .then((all) => all.map((vote) => (vote.audience ? { ...vote, realCause: null, missed: null } : vote))),
    sources.turns(investigation.id),
  ]);
  return { investigation, incident, proposals, votes, turns };
}

interface Entry {
  readonly at: EpochMs;
  readonly text: string;
}

/** Folder of published post-mortems within the state folder, and their collection; Vigil reads them as past incidents. */
export const POSTMORTEMS = "postmortems";

/** What people still have to write is marked with this, so that it is found. */
const TO_WRITE = "_(to be written)_";
const LONGEST_LINE = 300;
const MOST_TURNS = 40;

const line = (text: string): string => cleanUntrusted(text.replace(/\s+/g, " "), LONGEST_LINE).text;
/** The first line of what Vigil answered, without marks: the whole stands in the thread. */
const brief = (text: string): string => line((text.trim().split("\n")[0] ?? "").replace(/\*\*|\s*\[E\d[^\]]*\]/g, ""));
/** What a person wrote, uncut and as it stands: in it no mention, link or mark of Markdown works. */
const verbatim = (text: string): string => `\`${cleaned(text.replace(/\s+/g, " ")).replaceAll("`", "'").trim()}\``;
const time = (at: EpochMs): string => new Date(at).toISOString().replace("T", " ").slice(0, 16);
const percent = (share: number): string => `${share >= 0 ? "+" : "−"}${Math.abs(share * 100).toFixed(0)} %`;
const list = (items: readonly string[], none: string): string =>
  items.length === 0 ? none : items.map((item) => `- ${item}`).join("\n");

/**
 * Drafts a post-mortem in Markdown from what is stored: timeline, impact, cause, what went well and badly, actions. Facts only; where people
 * have to judge, it says so. Its front matter makes it a document of the context repository once it is no longer a draft.
 */
export function draftPostmortem(facts: PostmortemFacts): string {
  const { investigation, incident, votes } = facts;
  const { report } = investigation;
  const [lead] = report?.hypotheses ?? [];
  const told = votes.map(({ realCause }) => realCause).find((one) => one);
  const held = report?.outcome === "cause_found" && !wasWrong(facts);
  const cause = told ? line(told) : held && lead ? line(lead.statement) : "not known yet";
  const verified = facts.proposals.find(({ state }) => state === "verified");
  const services = [...new Set([...(incident?.services ?? []), ...investigation.anomalies.map(({ service }) => service)])];
  const front = {
    id: `PM-${investigation.id}`,
    kind: "post-mortem",
    status: "draft",
    title: line(report?.headline ?? incident?.title ?? investigation.id),
    services,
    started: new Date(startOf(facts)).toISOString(),
    root_cause: cause,
    ...(verified ? { resolution: line(verified.summary) } : {}),
  };
  return [
    `---\n${stringify(front, { lineWidth: 0 }).trim()}\n---`,
    `# ${front.title}`,
    `Drafted from ${investigation.id}${incident ? ` of ${incident.id}` : ""}. Correct and complete it, set \`status: final\`, then hand it in with \`vigil postmortem --publish FILE\`. All times are UTC.`,
    `## Impact\n${impact(facts)}`,
    `## Timeline\n${list(
      timeline(facts).map(({ at, text }) => `${time(at)} ${text}`),
      TO_WRITE,
    )}`,
    `## Root cause\n${cause}\n\n${list(
      (held ? report.contributingFactors : []).map(({ text, evidence }) => `${line(text)} (${evidence.join(", ")})`),
      TO_WRITE,
    )}`,
    `## What went well\n${list(wentWell(facts), TO_WRITE)}`,
    `## What went badly\n${list(wentBadly(facts), TO_WRITE)}`,
    `## Seen before\n${line(report?.seenBefore.text ?? "Not looked for.")}`,
    `## Actions\n${list(
      (report?.nextChecks ?? []).map((check) => `[ ] ${line(check)} — owner: ${TO_WRITE}`),
      `- [ ] ${TO_WRITE}`,
    )}`,
    "",
  ].join("\n\n");
}

/** Whether people, or an action that did not help, said that the cause was another. */
const wasWrong = ({ votes }: Pick<PostmortemFacts, "votes">): boolean => votes.some(({ verdict }) => verdict === "incorrect");

function startOf({ investigation, incident }: PostmortemFacts): EpochMs {
  const anomalies = incident?.anomalies.length ? incident.anomalies : investigation.anomalies;
  return Math.min(investigation.startedAt, ...anomalies.map(({ startedAt }) => startedAt));
}

function impact(facts: PostmortemFacts): string {
  const { investigation, incident } = facts;
  const anomalies = incident?.anomalies.length ? incident.anomalies : investigation.anomalies;
  const radius = investigation.report?.blastRadius;
  const lines = anomalies
    .slice(0, 12)
    .map(
      ({ service, signal, relativeChange, kind }) =>
        `${service}: ${signalName(signal)} ${kind === "missing" ? "without data" : percent(relativeChange)}`,
    );
  if (radius && radius.upstream.length > 0) lines.push(`callers that felt it: ${radius.upstream.join(", ")}`);
  if (radius?.trafficShare != null) lines.push(`share of requests: ${(radius.trafficShare * 100).toFixed(0)} %`);
  if (incident?.resolvedAt) lines.push(`lasted ${Math.round((incident.resolvedAt - startOf(facts)) / MINUTE)} min`);
  return `${list(lines, "- nothing was measured")}\n- what customers saw: ${TO_WRITE}`;
}

function timeline({ investigation, incident, proposals, turns }: PostmortemFacts): Entry[] {
  const entries: Entry[] = [
    {
      at: investigation.startedAt,
      text: `${investigation.id} opened${investigation.question ? `: ${line(investigation.question)}` : ""}`,
    },
  ];
  for (const { service, signal, startedAt, detectedAt, endedAt } of incident?.anomalies ?? investigation.anomalies) {
    entries.push({ at: startedAt, text: `${service} ${signalName(signal)} begins to leave its baseline (estimate)` });
    entries.push({ at: detectedAt, text: `${service} ${signalName(signal)} is noticed` });
    if (endedAt !== null) entries.push({ at: endedAt, text: `${service} ${signalName(signal)} is back within its baseline` });
  }
  if (investigation.finishedAt !== null && investigation.report)
    entries.push({ at: investigation.finishedAt, text: `report: ${line(investigation.report.headline)}` });
  for (const { id, summary, createdAt, approvals, outcome, state } of proposals) {
    entries.push({ at: createdAt, text: `${id} proposed: ${line(summary)}` });
    for (const { user, at, reason } of approvals)
      entries.push({ at, text: `${id} approved by ${line(user)}${reason ? `, who wrote: ${verbatim(reason)}` : ""}` });
    const last = approvals.at(-1)?.at ?? createdAt;
    entries.push({
      at: last,
      text: `${id} ${FINAL_STATES.has(state) ? "ended" : "is"} ${state.replaceAll("_", " ")}${outcome ? `: ${line(outcome)}` : ""}`,
    });
  }
  for (const { at, from, text } of turns.slice(-MOST_TURNS))
    entries.push({ at, text: from === "vigil" ? `Vigil: ${brief(text)}` : `an engineer: ${line(text)}` });
  if (incident?.resolvedAt) entries.push({ at: incident.resolvedAt, text: `${incident.id} resolved` });
  // Equal times keep the order in which they were written down.
  return entries.sort((a, b) => a.at - b.at);
}

function wentWell({ investigation, proposals, votes }: PostmortemFacts): string[] {
  const { report, trigger } = investigation;
  return [
    ...(trigger === "anomaly" ? ["It was noticed without any alert."] : []),
    ...(report?.outcome === "cause_found" && !wasWrong({ votes })
      ? [
          `A cause was named ${Math.max(1, Math.round(report.cost.duration / 1_000))} s after the investigation began, at ${Math.round(report.confidence * 100)} % confidence.`,
        ]
      : []),
    ...(report?.causalTest?.verdict === "causal"
      ? [
          `A test on test traffic bore out the suspicion against ${line(report.causalTest.flag)} before anything was changed for customers.`,
        ]
      : []),
    ...proposals
      .filter(({ state }) => state === "verified")
      .map(({ id, summary }) => `${id} helped and was verified: ${line(summary)}.`),
  ];
}

function wentBadly({ investigation, proposals, votes }: PostmortemFacts): string[] {
  const { report } = investigation;
  const missed = votes.flatMap(({ missed: one }) => (one ? [`Missed at first: ${line(one)}`] : []));
  return [
    ...(report?.outcome === "unknown" ? ["No cause was set apart by the evidence at hand."] : []),
    ...(wasWrong({ votes }) && report?.hypotheses[0] ? [`Wrongly blamed at first: ${line(report.hypotheses[0].statement)}`] : []),
    ...proposals
      .filter(({ state }) => state === "rolled_back" || state === "rollback_failed")
      .map(({ id, outcome }) => `${id} did not help: ${line(outcome ?? "rolled back")}.`),
    ...missed,
  ];
}

const MOST_TURNS_OF_A_THREAD = 500;

/** What was said in the threads that an investigation has on all surfaces, oldest first. */
export async function threadTurns(
  log: Pick<ConversationLog, "turns">,
  places: {
    refsOf(subject: string): Promise<readonly { readonly surface: string; readonly channel: string; readonly message: string }[]>;
  },
  investigationId: string,
): Promise<Turn[]> {
  const refs = await places.refsOf(`investigation:${investigationId}`);
  const threads = await Promise.all(
    refs.map(({ surface, channel, message }) => log.turns({ surface, channel, thread: message }, MOST_TURNS_OF_A_THREAD)),
  );
  return threads.flat().sort((a, b) => a.at - b.at);
}
