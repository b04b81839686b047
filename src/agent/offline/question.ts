import { distance, nearest } from "../../domain/nearest.ts";
import type { RedSignal, ServiceName } from "../../domain/telemetry.ts";
import { DAY, type EpochMs, MINUTE } from "../../domain/time.ts";
import { parseTime } from "../time-words.ts";
import { type Intent, intentOf, isGeneral } from "./intents.ts";

export interface Question {
  readonly text: string;
  readonly intent: Intent;
  readonly service: ServiceName | null;
  /** Whether the question itself names the service, rather than what it is asked about. */
  readonly named: boolean;
  /** The only kind of change that is asked for. */
  readonly only: "deploy" | "flag" | null;
  /** In lower case: a long name that is no service, as flags have. */
  readonly flag: string | null;
  /** Further services that are named beside it. */
  readonly others: readonly ServiceName[];
  readonly signal: RedSignal | null;
  /** A percentile that was asked for and is not kept, `p99`: what is shown instead must say so. */
  readonly percentile: string | null;
  /** Milliseconds above which a request counts as slow, where the question names them. */
  readonly slowerThan: number | null;
  /** That it is to be held against the day before, rather than the week before. */
  readonly yesterday: boolean;
  /** ISO 8601, or null when the question names no time. */
  readonly from: string | null;
  readonly to: string | null;
  /** A word that looks like a service but is none, with the nearest names. */
  readonly unknown: { readonly word: string; readonly nearest: readonly ServiceName[]; readonly state: boolean } | null;
}

const SIGNALS: readonly (readonly [RedSignal, RegExp])[] = [
  ["latency_p95", /\bp\d\d(?:\.\d+)?\b|\btail\b|\b95th\b|\bpercentile\b/],
  ["errors", /\berrors?\b|\berror rate\b|\bfail(?:s|ing|ed|ures?)?\b|\b5xx\b/],
  ["rate", /\btraffic\b|\brps\b|\bqps\b|\bthroughput\b|\brequest rate\b|\brequests? per\b|\bhow many requests\b|\bload\b/],
  ["latency", /\blatency\b|\bslow\w*\b|\bduration\b|\bresponse times?\b/],
];

const TIME = String.raw`(\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2})?z?)?|\d{1,2}(?::\d{2})?\s*(?:am|pm)|\d{1,2}:\d{2}|midnight|yesterday|today|this morning|last night|\d+\s*(?:m|h|d|w|min|mins|minutes?|hours?|days?|weeks?)\s+ago)`;
const PLAIN_WORDS = new Set(
  "the a an it that this is are was be we i you me my our of for in on at to from with and or so not now today since until before after last week hour day night morning api service services system app everything anything something things slow fast down up broken failing latency errors error rate p95 p99 p50 p90 show why what when who how check too also please cache database db prod production all cause root think same again here there call duty pool it's things today tonight flag flags version traces logs yesterday's yesterday week's usual normal then current same usually site website platform stack cluster environment users customers it them these those tonight morning ago minutes hours seconds help stop okay still fixed better worse deploy release rollout commit version change changes".split(
    " ",
  ),
);

/** What a question about everything becomes when it names one service: that is looked at. */
const LOOKED_AT: ReadonlySet<Intent> = new Set<Intent>(["situation", "unclear", "ongoing", "extent"]);

const OF_ALL: ReadonlySet<Intent> = new Set<Intent>(["metric", "logs", "compare", "check"]);
const OF_A_NAME: ReadonlySet<Intent> = new Set<Intent>(["situation", "unclear", "changes"]);

/** A name of several parts that holds more than a service's name and one part besides: `new-cache-keys-v2`. */
function longName(words: string, services: readonly ServiceName[]): string | null {
  const names = words.match(/\b[a-z0-9]+(?:[-_][a-z0-9]+){2,}\b/g) ?? [];
  const parts = (name: string) => plain(name).trim().split(" ").length;
  const isService = (name: string) => services.some((one) => plain(name).includes(plain(one)) && parts(name) - parts(one) <= 1);
  const switched = /^is (?:the )?(?:flag )?([a-z0-9][\w.-]+)(?: flag)? (?:on|off|enabled|disabled|active)\W*$/.exec(words)?.[1];
  if (switched && !PLAIN_WORDS.has(switched) && !services.some((one) => plain(switched).includes(plain(one)))) return switched;
  return names.find((name) => !isService(name)) ?? null;
}

/** Words that decide what a question means; one slip of the fingers in them is forgiven. */
const VOCABULARY =
  "what when show help anything something everything still going happening status latency errors error traffic throughput requests changed changes deploy deploys deployed release released incident incidents runbook compare yesterday similar before explain wrong slow failing broken affected customers trace traces logs owner rollback fixed approve".split(
    " ",
  );

/** What hurried hands write for a word, by word. */
const SHORTHAND: Readonly<Record<string, string>> = {
  smth: "something",
  sth: "something",
  smthg: "something",
  ths: "this",
  tht: "that",
  pls: "please",
  plz: "please",
  u: "you",
  ur: "your",
  goin: "going",
  happenin: "happening",
  rn: "right now",
  abt: "about",
  bc: "because",
  errs: "errors",
  err: "errors",
  hr: "hour",
  hrs: "hours",
  min: "minute",
  mins: "minutes",
  yday: "yesterday",
  wtf: "what",
  wth: "what",
};

/** Writes out what nobody types at night: `smth`, `last 2 hrs`, `an hour ago`. A word that is a service's name stays. */
const written = (words: string, services: readonly ServiceName[]): string => {
  const names = new Set(services.map((name) => name.toLowerCase()));
  return words
    .replace(/\bwhat the (?:hell|heck|fuck)\b/g, "what")
    .replace(/(?<![\w.-])[a-z]+(?![\w.-])/g, (word) => (names.has(word) ? word : (SHORTHAND[word] ?? word)))
    .replace(/\ban? (?=(?:minute|hour|day|week) ago\b)/g, "1 ");
};

/** Puts back the apostrophes that nobody types at night: `whats`, `hows`, `isnt`. */
const apostrophes = (words: string): string =>
  words
    .replace(/\bwh?at'?s\b|\bwuts\b/g, "what's")
    .replace(/\bw(?:a|u)t\b/g, "what")
    .replace(/\b(who|how|where|when|why|that|there)s\b/g, "$1's")
    .replace(/\b(is|was|does|did|could|should|do|would|has|are|were)nt\b/g, "$1n't");

/** Mends typing errors in the words that carry the meaning: `errros`, `latnecy`, `waht`. Short words only where letters are swapped; names stay. */
function spelled(words: string, services: readonly ServiceName[]): string {
  const names = new Set(services.flatMap((name) => plain(name).trim().split(" ")));
  const letters = (word: string) => [...word].sort().join("");
  return words.replace(/[a-z]{4,}/g, (word) => {
    if (VOCABULARY.includes(word) || PLAIN_WORDS.has(word) || names.has(word)) return word;
    const near = VOCABULARY.find(
      (one) => distance(word, one) === 1 && (one.length >= 6 || letters(one) === letters(word)) && !one.startsWith(word),
    );
    return near ?? word;
  });
}

/** Questions that want what is to blame rather than what shows it: whoever is paged should be able to mend it. */
const OF_THE_CAUSE: ReadonlySet<Intent> = new Set<Intent>(["logs", "traces", "version", "owner"]);

/**
 * Understands a question by general rules over the names that are known.
 * @param fallback the service of the thread, where it shows
 * @param cause the service of the thread that is blamed
 */
export function understand(
  text: string,
  services: readonly ServiceName[],
  now: EpochMs,
  fallback: ServiceName | null,
  cause: ServiceName | null = null,
): Question {
  const typed = text.toLowerCase().replace(/[’`]/g, "'").replace(/\s+/g, " ").trim();
  const words = spelled(apostrophes(written(typed, services)), services);
  const flag = longName(words, services);
  const first = intentOf(words);
  // "Are there any errors?" is about everything, not about the service of the thread.
  const asked =
    OF_ALL.has(first) && /\b(?:any|all|every|each|which|most|highest)\b/.test(words) && mentioned(words, services) === null
      ? "situation"
      : first;
  // "Is NAME on?" with a name that is no service is about a flag.
  const intent = flag !== null && OF_A_NAME.has(asked) ? "flags" : asked;
  const signal = SIGNALS.find(([, pattern]) => pattern.test(words))?.[0] ?? null;
  const named = mentioned(flag === null ? words : words.replaceAll(flag, " "), services);
  const unknown = named ? null : stranger(words, services);
  const yesterday = intent === "compare" && /\byesterday\b|\bday before\b/.test(words);
  const told = times(yesterday ? words.replace(/\byesterday\b/g, "") : words, now);
  const from = told.from ?? startMeant(intent, words, now);
  const general = isGeneral(intent);
  const percentile = /\bp\d{2,3}(?:\.\d+)?\b|\bmedian\b/.exec(words)?.[0] ?? null;
  const slow = /\b(?:slower|longer|more|over|above) (?:than )?(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|secs?|seconds?)\b/.exec(
    words,
  );
  const service = named ?? (general || unknown ? null : OF_THE_CAUSE.has(intent) ? (cause ?? fallback) : fallback);
  // "Is X down?" names X, whatever else it may be about.
  const lost = service === null && unknown !== null && (!general || (intent === "situation" && unknown.state));
  return {
    text,
    // "How is checkout?" wants checkout looked at, not everything.
    intent: lost ? "unknown_service" : named && LOOKED_AT.has(intent) ? "check" : intent,
    service,
    named: named !== null,
    only: /\bflags?\b/.test(words) ? "flag" : /\b(?:deploy(?:s|ed|ments?)?|releases?)\b/.test(words) ? "deploy" : null,
    flag,
    others: service === null ? [] : namesIn(words, services).filter((name) => name !== service),
    yesterday,
    signal,
    percentile: percentile === "p95" ? null : percentile,
    slowerThan: slow ? Number(slow[1]) * (slow[2]?.startsWith("m") ? 1 : 1_000) : null,
    from,
    to: told.to,
    unknown,
  };
}

const plain = (name: string): string =>
  ` ${name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim()} `;

/** Every known name that is written out in the text, in its order there; a name within a longer one that is named does not count. */
function namesIn(words: string, services: readonly ServiceName[]): readonly ServiceName[] {
  let text = plain(words);
  const found: { readonly name: ServiceName; readonly at: number }[] = [];
  for (const name of services.toSorted((a, b) => b.length - a.length)) {
    const at = text.indexOf(plain(name));
    if (at < 0) continue;
    found.push({ name, at });
    text = text.replaceAll(plain(name), ` ${"\u0000".repeat(plain(name).length - 2)} `);
  }
  return found.toSorted((a, b) => a.at - b.at).map(({ name }) => name);
}

/** The longest known name in the text; hyphens, underscores and a trailing "service" may differ; one typo is forgiven in longer names. */
export function mentioned(words: string, services: readonly ServiceName[]): ServiceName | null {
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

/** How far back a question about changes reaches where it names no time: "the last deploy" may be long ago. */
/** How far "now" reaches back: a mean over the hours of an incident is not what is asked for. */
const NOW_REACH = 5 * MINUTE;

/** Where a question without a time begins; null leaves it to the tool. */
function startMeant(intent: Intent, words: string, now: EpochMs): string | null {
  if (intent === "changes" || intent === "who_changed") return changesBack(words, now);
  const ofNow = /\b(?:current(?:ly)?|now|at the moment|at present)\b/.test(words);
  const drawn = /\b(?:show|plot|graph|chart|draw)\b/.test(words);
  return intent === "metric" && ofNow && !drawn ? new Date(now - NOW_REACH).toISOString() : null;
}

function changesBack(words: string, now: EpochMs): string | null {
  const days = /\b(?:this|last|past) week\b/.test(words)
    ? 7
    : /\b(?:last|latest|newest|most recent|previous)\b/.test(words)
      ? 30
      : null;
  return days === null ? null : new Date(now - days * DAY).toISOString();
}

function times(words: string, now: EpochMs): { from: string | null; to: string | null } {
  const read = (word: string | undefined) => {
    const at = word === undefined ? null : parseTime(word, now);
    return at === null ? null : new Date(at).toISOString();
  };
  const between = new RegExp(String.raw`\b(?:between|from)\s+${TIME}\s+(?:and|to|until|till)\s+${TIME}`).exec(words);
  if (between) return { from: read(between[1]), to: read(between[2]) };
  const about =
    new RegExp(String.raw`\b(?:at|around|about|near)\s+${TIME}`).exec(words) ??
    /(?<!\b(?:since|after|from)\s+)\b(\d+\s*(?:m|h|d|w|minutes?|hours?|days?|weeks?)\s+ago)\b/.exec(words);
  const moment = about?.[1] === undefined ? null : parseTime(about[1], now);
  if (moment !== null)
    return {
      from: new Date(moment - 15 * MINUTE).toISOString(),
      to: new Date(Math.min(now, moment + 15 * MINUTE)).toISOString(),
    };
  const since = new RegExp(String.raw`\b(?:since|after|from)\s+${TIME}`).exec(words);
  if (since) return { from: read(since[1]), to: null };
  const last = /\b(?:last|past|over the last|in the last)\s+(\d+\s*)?(m|min|minutes?|h|hours?|d|days?|weeks?)\b/.exec(words);
  if (last && !/last week\b/.test(last[0]))
    return { from: read(`${(last[1] ?? "1").trim()}${(last[2] ?? "h").charAt(0)}`), to: null };
  const day = /\b(yesterday|today|last night|this morning)\b/.exec(words);
  return { from: day ? read(day[1]) : null, to: null };
}
