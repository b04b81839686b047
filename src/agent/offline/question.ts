import type { RedSignal, ServiceName } from "../../domain/telemetry.ts";
import type { EpochMs } from "../../domain/time.ts";
import { parseTime } from "../time-words.ts";
import { distance, nearest } from "../words.ts";
import { type Intent, intentOf, isGeneral } from "./intents.ts";

export interface Question {
  readonly text: string;
  readonly intent: Intent;
  readonly service: ServiceName | null;
  readonly signal: RedSignal | null;
  /** A percentile that was asked for and is not kept, `p99`: what is shown instead must say so. */
  readonly percentile: string | null;
  /** Milliseconds above which a request counts as slow, where the question names them. */
  readonly slowerThan: number | null;
  /** ISO 8601, or null when the question names no time. */
  readonly from: string | null;
  readonly to: string | null;
  /** A word that looks like a service but is none, with the nearest names. */
  readonly unknown: { readonly word: string; readonly nearest: readonly ServiceName[]; readonly state: boolean } | null;
}

const SIGNALS: readonly (readonly [RedSignal, RegExp])[] = [
  ["latency_p95", /\bp\d\d(?:\.\d+)?\b|\btail\b|\b95th\b|\bpercentile\b/],
  ["errors", /\berrors?\b|\berror rate\b|\bfail(?:s|ing|ed|ures?)?\b|\b5xx\b/],
  ["rate", /\btraffic\b|\brps\b|\bqps\b|\bthroughput\b|\brequest rate\b|\bload\b/],
  ["latency", /\blatency\b|\bslow\w*\b|\bduration\b|\bresponse times?\b/],
];

const TIME = String.raw`(\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2})?z?)?|\d{1,2}(?::\d{2})?\s*(?:am|pm)|\d{1,2}:\d{2}|midnight|yesterday|today|this morning|last night|\d+\s*(?:m|h|d|w|min|mins|minutes?|hours?|days?|weeks?)\s+ago)`;
const PLAIN_WORDS = new Set(
  "the a an it that this is are was be we i you me my our of for in on at to from with and or so not now today since until before after last week hour day night morning api service services system app everything anything something things slow fast down up broken failing latency errors error rate p95 p99 p50 p90 show why what when who how check too also please cache database db prod production all cause root think same again here there call duty pool it's things today tonight flag flags version traces logs site website platform stack cluster environment users customers it them these those".split(
    " ",
  ),
);

/** Understands a question by general rules over the names that are known; `fallback` is the service of the thread. */
export function understand(text: string, services: readonly ServiceName[], now: EpochMs, fallback: ServiceName | null): Question {
  const words = text.toLowerCase().replace(/[’`]/g, "'").replace(/\s+/g, " ");
  const intent = intentOf(words);
  const signal = SIGNALS.find(([, pattern]) => pattern.test(words))?.[0] ?? null;
  const named = mentioned(words, services);
  const unknown = named ? null : stranger(words, services);
  const { from, to } = times(words, now);
  const general = isGeneral(intent);
  const percentile = /\bp\d{2,3}(?:\.\d+)?\b|\bmedian\b/.exec(words)?.[0] ?? null;
  const slow = /\b(?:slower|longer|more|over|above) (?:than )?(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|secs?|seconds?)\b/.exec(
    words,
  );
  const service = named ?? (general || unknown ? null : fallback);
  // "Is X down?" names X, whatever else it may be about.
  const lost = service === null && unknown !== null && (!general || (intent === "situation" && unknown.state));
  return {
    text,
    // "How is checkout?" wants checkout looked at, not everything.
    intent: lost ? "unknown_service" : named && (intent === "situation" || intent === "unclear") ? "check" : intent,
    service,
    signal,
    percentile: percentile === "p95" ? null : percentile,
    slowerThan: slow ? Number(slow[1]) * (slow[2]?.startsWith("m") ? 1 : 1_000) : null,
    from,
    to,
    unknown,
  };
}

/** The longest known name in the text; hyphens, underscores and a trailing "service" may differ; one typo is forgiven in longer names. */
export function mentioned(words: string, services: readonly ServiceName[]): ServiceName | null {
  const plain = (name: string) =>
    ` ${name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, " ")
      .trim()} `;
  const text = plain(words);
  const byLength = [...services].sort((a, b) => b.length - a.length);
  const bare = (name: string) => plain(name).replace(/ (?:service|svc|api|server) $/, " ");
  const exact =
    byLength.find((name) => text.includes(plain(name))) ??
    byLength.find((name) => bare(name).trim().length > 2 && text.includes(bare(name)));
  if (exact) return exact;
  const tokens = text.split(" ").filter((word) => word.length >= 5 && !PLAIN_WORDS.has(word));
  const typo = byLength.find((name) => tokens.some((word) => name.length >= 5 && distance(word, name.toLowerCase()) === 1));
  if (typo) return typo;
  // "the cache" means the one service with that word in its name.
  const part = text.split(" ").filter((word) => word.length >= 4);
  const holding = services.filter((name) => part.some((word) => plain(name).includes(` ${word} `) && word !== "service"));
  return holding.length === 1 ? (holding[0] ?? null) : null;
}

/** The word where a service's name is expected, when it is none. */
function stranger(words: string, services: readonly ServiceName[]): Question["unknown"] {
  const patterns = [
    /\b(?:is|are|does|did)\s+(?:the\s+)?([a-z][a-z0-9_.-]{2,})\s+(?:so\s+)?(?:slow|down|broken|failing|erroring|up|ok|okay|healthy|fine)/,
    /\b(?:of|for|owns|on|in|with|check|about)\s+(?:the\s+)?([a-z][a-z0-9_.-]{2,})/,
    /\b([a-z][a-z0-9]*(?:[-_][a-z0-9]+)+)\b/,
  ];
  for (const pattern of patterns) {
    const word = pattern.exec(words)?.[1];
    if (word && !PLAIN_WORDS.has(word)) return { word, nearest: nearest(word, services), state: pattern === patterns[0] };
  }
  return null;
}

function times(words: string, now: EpochMs): { from: string | null; to: string | null } {
  const read = (word: string | undefined) => {
    const at = word === undefined ? null : parseTime(word, now);
    return at === null ? null : new Date(at).toISOString();
  };
  const between = new RegExp(String.raw`\b(?:between|from)\s+${TIME}\s+(?:and|to|until|till)\s+${TIME}`).exec(words);
  if (between) return { from: read(between[1]), to: read(between[2]) };
  const since = new RegExp(String.raw`\b(?:since|after|from)\s+${TIME}`).exec(words);
  if (since) return { from: read(since[1]), to: null };
  const last = /\b(?:last|past|over the last|in the last)\s+(\d+\s*)?(m|min|minutes?|h|hours?|d|days?|weeks?)\b/.exec(words);
  if (last && !/last week\b/.test(last[0]))
    return { from: read(`${(last[1] ?? "1").trim()}${(last[2] ?? "h").charAt(0)}`), to: null };
  const day = /\b(yesterday|today|last night|this morning)\b/.exec(words);
  return { from: day ? read(day[1]) : null, to: null };
}
