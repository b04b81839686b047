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
export function numbersOccur(text: string, cited: readonly Evidence[]): boolean {
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

const NOTHING: CitedText = { text: "Nothing that evidence bears.", evidence: [] };

/** Strikes claims that evidence does not bear. Hypotheses lose citations that do not exist; one left with none is open, not supported. */
export function ground(draft: ReportDraft, known: readonly Evidence[]): { readonly draft: ReportDraft; readonly struck: number } {
  let struck = 0;
  const ids = new Set(known.map(({ id }) => id));
  const strike = (claim: CitedText): ReportDraft["whatChanged"] => {
    const harmless =
      claim.evidence.length === 0 &&
      numbers(claim.text.replace(NAMES, " ")).length === 0 &&
      /^(?:no|nothing|none)\b/i.test(claim.text);
    if (harmless || isGrounded(claim, known)) return { text: claim.text, evidence: [...claim.evidence] };
    struck++;
    return { text: NOTHING.text, evidence: [] };
  };
  const factors = draft.contributingFactors.filter((claim) => {
    const bears = isGrounded(claim, known);
    if (!bears) struck++;
    return bears;
  });
  const hypotheses = draft.hypotheses.map((one) => {
    const evidenceFor = one.evidenceFor.filter((id) => ids.has(id));
    const evidenceAgainst = one.evidenceAgainst.filter((id) => ids.has(id));
    struck += one.evidenceFor.length - evidenceFor.length + one.evidenceAgainst.length - evidenceAgainst.length;
    const unsupported = one.status === "supported" && evidenceFor.length === 0;
    if (unsupported) struck++;
    return {
      ...one,
      evidenceFor,
      evidenceAgainst,
      status: unsupported ? ("open" as const) : one.status,
      confidence: unsupported ? Math.min(one.confidence, 0.3) : one.confidence,
    };
  });
  let { headline } = draft;
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
    contributingFactors: factors,
    whatChanged: strike(draft.whatChanged),
    whatElseIsAnomalous: strike(draft.whatElseIsAnomalous),
    seenBefore: strike(draft.seenBefore),
    blastRadiusOfActing: strike(draft.blastRadiusOfActing),
  };
  return { draft: grounded, struck };
}

/** Strikes sentences of a free answer that quote numbers which no cited (or, without citation, no) evidence holds. */
export function groundText(text: string, known: readonly Evidence[]): { readonly text: string; readonly struck: number } {
  let struck = 0;
  const kept = text.split(/(?<=[.!?])\s+(?=\S)/).filter((sentence) => {
    const ids = [...sentence.matchAll(/\bE\d+\b/g)].map(([id]) => id);
    const cited = ids.length > 0 ? known.filter(({ id }) => ids.includes(id)) : known;
    const bears = cited.length >= new Set(ids).size && numbersOccur(sentence.replace(/\[?E\d+\]?/g, " "), cited);
    if (!bears) struck++;
    return bears;
  });
  return { text: kept.join(" "), struck };
}
