import type { CitedText, Evidence } from "../domain/investigation.ts";
import type { ReportDraft } from "./report-schema.ts";

/** A number in text, with how many decimals it was written with. */
interface Quoted {
  readonly value: number;
  readonly decimals: number;
  /** The unit written after it, lower case, or empty. */
  readonly unit: string;
}

const NUMBER =
  /(?<![\p{L}\p{N}_.-])([-+−]?\d+(?:[.,]\d+)*)\s?(%|per cent|percent|ms|milliseconds?|s|sec|seconds?|min|minutes?|h|hours?|KB|MB|GB|MiB|GiB)?(?![\p{L}_])/gu;
/** Identifiers that look like numbers but are names: ids, dates, clock times, versions. */
const NAMES =
  /\b[A-Z]{1,6}-?\d+\b|\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?|\b\d{1,2}:\d{2}(?::\d{2})?\b|\bv?\d+\.\d+\.\d+(?:[-+.]?\w+)*|\bp(?:50|90|95|99)\b|\b95 % interval/gi;

/** True when a claim cites evidence that exists and every number in it occurs there, give or take rounding and units. */
export function isGrounded({ text, evidence }: CitedText, known: readonly Evidence[]): boolean {
  const cited = known.filter(({ id }) => evidence.includes(id));
  if (cited.length === 0 || cited.length < new Set(evidence).size) return false;
  return numbersOccur(text, cited);
}

/** True when each number, date and clock time of the text occurs in the evidence. */
function numbersOccur(text: string, cited: readonly Evidence[]): boolean {
  const source = cited
    .map((one) => `${one.title}\n${one.summary}\n${Object.values(one.facts).join("\n")}\n${Object.keys(one.facts).join("\n")}`)
    .join("\n");
  const names = text.match(NAMES) ?? [];
  if (names.some((name) => !source.includes(name) && !cited.some(({ id }) => id === name))) return false;
  const available = numbers(source).map(({ value }) => Math.abs(value));
  return numbers(text.replace(NAMES, " ")).every((quoted) => available.some((value) => same(quoted, value)));
}

function numbers(text: string): Quoted[] {
  return [...text.matchAll(NUMBER)]
    .map(([, word = "", unit = ""]) => {
      const plain = word
        .replace("−", "-")
        .replace(/,(?=\d{3}\b)/g, "")
        .replace(",", ".");
      return { value: Number(plain), decimals: plain.split(".")[1]?.length ?? 0, unit: unit.toLowerCase() };
    })
    .filter(({ value }) => Number.isFinite(value));
}

/** What evidence may be multiplied by to be read in the quoted unit: shares as per cent, seconds as milliseconds, bytes as megabytes. */
function scales(unit: string): readonly number[] {
  if (/^(?:%|per ?cent)/.test(unit)) return [1, 100];
  if (/^(?:ms|milli)/.test(unit)) return [1, 1_000];
  if (/^s/.test(unit)) return [1, 0.001];
  if (/^min/.test(unit)) return [1, 60, 1 / 60];
  if (/^h/.test(unit)) return [1, 1 / 60, 1 / 3_600];
  if (/b$/.test(unit)) return [1, 1e-3, 1e-6, 1e-9];
  return [1];
}

function same({ value, decimals, unit }: Quoted, known: number): boolean {
  const size = Math.abs(value);
  return scales(unit).some((scale) => {
    const scaled = known * scale;
    const rounding = Math.min(0.5 * 10 ** -decimals, 0.1 * Math.max(size, scaled));
    return Math.abs(scaled - size) <= Math.max(rounding, 0.01 * scaled) + 1e-9;
  });
}

const NOTHING = "Nothing that evidence bears.";

export interface Grounded {
  readonly draft: ReportDraft;
  readonly struck: number;
  /** How many were checked: texts, citations of hypotheses and of their predictions, supported hypotheses, and the headline. */
  readonly claims: number;
}

/**
 * Strikes claims that evidence does not bear. Hypotheses lose citations that do not exist; one left with none is open, not supported, and a
 * prediction that cites nothing real has not been looked at.
 */
export function ground(draft: ReportDraft, known: readonly Evidence[]): Grounded {
  let struck = 0;
  let claims = 0;
  const ids = new Set(known.map(({ id }) => id));
  const bears = (claim: CitedText): boolean => {
    claims++;
    const harmless =
      claim.evidence.length === 0 &&
      numbers(claim.text.replace(NAMES, " ")).length === 0 &&
      /^(?:no|nothing|none)\b/i.test(claim.text);
    const borne = harmless || isGrounded(claim, known);
    if (!borne) struck++;
    return borne;
  };
  const strike = (claim: ReportDraft["whatChanged"]): ReportDraft["whatChanged"] =>
    bears(claim) ? claim : { text: NOTHING, evidence: [] };
  const real = (cited: readonly string[]): string[] => {
    const kept = cited.filter((id) => ids.has(id));
    claims += cited.length;
    struck += cited.length - kept.length;
    return kept;
  };
  const hypotheses = draft.hypotheses.map((one) => {
    const [evidenceFor, evidenceAgainst] = [real(one.evidenceFor), real(one.evidenceAgainst)];
    const predictions = one.predictions.map((each) => {
      const evidence = real(each.evidence);
      return { ...each, evidence, held: each.evidence.length > 0 && evidence.length === 0 ? null : each.held };
    });
    if (one.status === "supported") claims++;
    const unsupported = one.status === "supported" && evidenceFor.length === 0;
    if (!unsupported) return { ...one, evidenceFor, evidenceAgainst, predictions };
    struck++;
    return {
      ...one,
      evidenceFor,
      evidenceAgainst,
      predictions,
      status: "open" as const,
      confidence: Math.min(one.confidence, 0.3),
    };
  });
  let { headline } = draft;
  claims++;
  if (!numbersOccur(headline, known)) {
    struck++;
    // The leading hypothesis tells the story as well; its numbers must be borne too.
    const statement = hypotheses[0]?.statement ?? "The evidence does not bear a short story";
    headline = (numbersOccur(statement, known) ? statement : statement.replace(/\s*[-+−]?\d[\d.,:]*\s*%?/g, " ")).slice(0, 200);
  }
  const grounded = {
    ...draft,
    headline,
    hypotheses,
    contributingFactors: draft.contributingFactors.filter(bears),
    whatChanged: strike(draft.whatChanged),
    whatElseIsAnomalous: strike(draft.whatElseIsAnomalous),
    seenBefore: strike(draft.seenBefore),
    blastRadiusOfActing: strike(draft.blastRadiusOfActing),
  };
  return { draft: grounded, struck, claims };
}

/** Strikes sentences of a free answer that quote numbers which no cited (or, without citation, no) evidence holds. */
export function groundText(
  text: string,
  known: readonly Evidence[],
): { readonly text: string; readonly struck: number; readonly claims: number } {
  let struck = 0;
  const sentences = text.split(/(?<=[.!?])\s+(?=\S)/);
  const kept = sentences.filter((sentence) => {
    const ids = [...sentence.matchAll(/\bE\d+\b/g)].map(([id]) => id);
    const cited = ids.length > 0 ? known.filter(({ id }) => ids.includes(id)) : known;
    const bears = cited.length >= new Set(ids).size && numbersOccur(sentence.replace(/\[?E\d+\]?/g, " "), cited);
    if (!bears) struck++;
    return bears;
  });
  return { text: kept.join(" "), struck, claims: sentences.length };
}
