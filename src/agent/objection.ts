import type { Objection } from "../domain/feedback.ts";
import type { CauseKind, Hypothesis } from "../domain/investigation.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { cleanUntrusted } from "../domain/untrusted.ts";
import { mentioned } from "./offline/question.ts";
import type { Session } from "./session.ts";

const KINDS: readonly (readonly [CauseKind, string])[] = [
  ["deploy", "deploy(?:ment)?s?|releases?|roll-?out of (?:the )?version|new version|rollback|commit"],
  ["flag", "(?:feature )?flags?|toggle|rollout|experiment"],
  ["config", "config(?:uration)?(?: change)?|settings?"],
  ["traffic", "traffic|load|requests? surge|crawlers?|bots?"],
  ["dependency", "dependenc(?:y|ies)|database|db|upstream|downstream|third party|partner|queue|cache"],
  ["resource", "memory|cpu|disk|connection pool|pool|garbage collection|gc|resources?"],
  ["none", "noise|nothing|false alarm|normal|expected|planned"],
];

const DOUBT =
  /\b(?:you(?:'re| are| were)|that(?:'s| is| was)|this is) (?:wrong|mistaken|not (?:it|right|true|the (?:cause|reason)))\b|\bi (?:do not|don't|doubt) (?:think|believe|agree)?\b|\bdisagree\b|\b(?:it|that|this) (?:was|is|were)(?:n't| not)\b|\bnot because\b|^\s*(?:no|nope|wrong)\b[,.! ]/;
const CLAIM =
  /\b(?:it|that|this|the cause|root cause)(?:'s| is| was| must be| must have been| could be| might be| has to be) (?:really |actually |rather |more likely )?(?!not\b)|\bi (?:think|believe|bet|suspect|guess) (?:it|that)\b|\bmust (?:be|have been)\b|\bbecause of\b|\b(?:rather|instead)\b/;
const LOOK =
  /\b(?:check|look at|look into|inspect|verify|consider|rule out|what about|how about|have you (?:checked|looked at|considered))\b/;

/**
 * Reads an objection from a message in an investigation's thread by general rules: doubt, a rival claim, or a wish to look further. Null when it is
 * something else, for instance a question.
 */
export function objectionOf(text: string, by: string, services: readonly ServiceName[]): Objection | null {
  const words = text.toLowerCase().replace(/[’`]/g, "'").replace(/\s+/g, " ").trim();
  const service = mentioned(words, services);
  const clears = kindAfter(
    words,
    String.raw`(?:n't|\bnot|\bnever)(?: be| been| because of)?(?: the| a| an| that| this| your| any)?`,
  );
  const rest = clears ? words.replace(/(?:n't|\bnot|\bnever)[^,.;]{0,60}/, " ") : words;
  const blames = causeNamed(rest);
  const doubts = DOUBT.test(words);
  const claims = CLAIM.test(rest) && blames !== null;
  const looks = LOOK.test(words) && (service !== null || blames !== null);
  if (!doubts && !claims && !looks) return null;
  if (!doubts && /\?\s*$/.test(words) && !looks) return null;
  return {
    by,
    words: cleanUntrusted(text, 600).text,
    doubts: doubts || claims,
    service,
    blames: doubts || claims ? blames : null,
    clears,
  };
}

/** The kind of cause that words in lower case name first in the list of kinds; null when they name none. */
export function causeNamed(words: string): CauseKind | null {
  return KINDS.find(([, pattern]) => new RegExp(String.raw`\b(?:${pattern})\b`).test(words))?.[0] ?? null;
}

function kindAfter(words: string, before: string): CauseKind | null {
  return (
    KINDS.find(([, pattern]) => new RegExp(String.raw`${before} (?:[\w-]+ ){0,2}?(?:${pattern})\b`).test(words))?.[0] ?? null
  );
}

/** Puts what a person said beside the evidence: citable, weighed, and never a measurement that could back an action. */
export function recordObjection(session: Session, objection: Objection): void {
  const text = cleanUntrusted(objection.words, 400);
  const who = cleanUntrusted(objection.by, 80).text;
  session.add(
    session.reserve(),
    "person",
    {},
    {
      title: `${who} says`,
      summary: `"${text.text}"`,
      facts: {},
      services: objection.service ? [objection.service] : [],
      link: null,
      suspicious: text.suspicious,
    },
    { kind: "statement", objection, held: session.ledger.hypotheses },
  );
}

/** How a person's word weighs on one suspect: 1 for, -1 against, 0 not about it. A doubt without a name is about what led. */
export function speaksFor(
  { blames, clears, service, doubts }: Objection,
  held: readonly Hypothesis[],
  suspect: { readonly cause: CauseKind; readonly service: ServiceName | null; readonly changeId: string | null },
): -1 | 0 | 1 {
  if (!doubts) return 0;
  const [lead] = held;
  const led =
    lead !== undefined &&
    lead.cause === suspect.cause &&
    (lead.changeId ?? lead.service) === (suspect.changeId ?? suspect.service);
  if (clears === suspect.cause) return -1;
  if (blames === suspect.cause) return service === null || suspect.service === null || service === suspect.service ? 1 : 0;
  return led && clears === null ? -1 : 0;
}
