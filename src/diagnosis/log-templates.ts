/** A kind of log line: its constant words, with `<*>` where lines of the kind differ. */
export interface LogTemplate {
  readonly template: string;
  /** Indexes into the lines that were mined. */
  readonly lines: readonly number[];
}

export interface TemplateChange {
  readonly template: string;
  /** One of the lines. */
  readonly example: string;
  readonly before: number;
  readonly during: number;
  /** Signed: positive where the template became more frequent than expected, in standard deviations of a Poisson count. */
  readonly z: number;
}

const WILDCARD = "<*>";
const SIMILAR = 0.5;
const MOST_WORDS = 24;
const VARIABLE = /\d/;
/** `package.Class#123`, `file.go:123`: a statement in the code, hence constant. */
const CODE_PLACE = /^(?=.*[A-Za-z])[\w.$/-]*[A-Za-z_][#:]\d{1,5}$/;

/**
 * Mines the kinds of lines in a log. Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017): words
 * with digits are variable, except a place in the code; lines are bucketed by the place in the code that wrote them, or else by their number
 * of words and their first two constant words; within a bucket a line joins the template that agrees in the most words, at least half, and
 * widens it where they differ. Assumes that a line's beginning is constant.
 */
export function mineTemplates(lines: readonly string[]): LogTemplate[] {
  const buckets = new Map<string, { words: string[]; lines: number[] }[]>();
  const exact = new Map<string, { words: string[]; lines: number[] }>();
  lines.forEach((line, index) => {
    const words = wordsOf(line);
    const text = words.join(" ");
    let found = exact.get(text);
    if (found === undefined) {
      const place = words.find((word) => CODE_PLACE.test(word));
      const key = place ?? `${words.length} ${start(words)}`;
      const bucket = buckets.get(key) ?? [];
      buckets.set(key, bucket);
      found = mostSimilar(bucket, words);
      if (found === undefined) {
        found = { words, lines: [] };
        bucket.push(found);
      } else found.words = widened(found.words, words);
      exact.set(text, found);
    }
    found.lines.push(index);
  });
  return [...buckets.values()].flat().map(({ words, lines: members }) => ({ template: words.join(" "), lines: members }));
}

/** Compares how often each template occurs; `exposure` is how much more was seen during than before (time, requests). */
export function compareTemplates(before: readonly string[], during: readonly string[], exposure = 1): TemplateChange[] {
  const all = [...before, ...during];
  return mineTemplates(all)
    .map(({ template, lines }) => {
      const was = lines.filter((line) => line < before.length).length;
      return {
        template,
        example: all[lines[0] ?? 0] ?? template,
        before: was,
        during: lines.length - was,
        z: poissonZ(was, lines.length - was, exposure),
      };
    })
    .sort((a, b) => Math.abs(b.z) - Math.abs(a.z));
}

/** Compares two Poisson counts after the square-root transform that makes their spread even (Anscombe, 1948). */
export function poissonZ(before: number, during: number, exposure: number): number {
  const scale = Math.max(exposure, 1e-9);
  return (2 * (Math.sqrt(during + 3 / 8) - Math.sqrt((before + 3 / 8) * scale))) / Math.sqrt(1 + scale);
}

const start = (words: readonly string[]): string =>
  words
    .filter((word) => word !== WILDCARD)
    .slice(0, 2)
    .join(" ");

/** The words on which both agree; where one goes on after the other's end, one wildcard stands for the rest. */
function widened(template: readonly string[], words: readonly string[]): string[] {
  const common = Math.min(template.length, words.length);
  const agreed = template.slice(0, common).map((word, at) => (word === words[at] ? word : WILDCARD));
  return template.length === words.length || agreed.at(-1) === WILDCARD ? agreed : [...agreed, WILDCARD];
}

function wordsOf(line: string): string[] {
  return line
    .split(/[\s,;=()[\]{}"']+/)
    .filter((word) => word !== "")
    .slice(0, MOST_WORDS)
    .map((word) => (VARIABLE.test(word) && !CODE_PLACE.test(word) ? WILDCARD : word));
}

function mostSimilar<T extends { readonly words: readonly string[] }>(
  bucket: readonly T[],
  words: readonly string[],
): T | undefined {
  let best: T | undefined;
  let most = SIMILAR;
  for (const one of bucket) {
    const common = Math.min(one.words.length, words.length);
    let same = 0;
    for (let at = 0; at < common; at++) if (one.words[at] === words[at]) same++;
    const share = common === 0 ? 1 : same / common;
    if (share >= most) [best, most] = [one, share];
  }
  return best;
}
