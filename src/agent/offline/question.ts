import type { RedSignal, ServiceName } from "../../domain/telemetry.ts";
import type { EpochMs } from "../../domain/time.ts";
import { parseTime } from "../time-words.ts";
import { distance, nearest } from "../words.ts";

export type Intent =
  | "why"
  | "why_so"
  | "changes"
  | "changed_before"
  | "seen_before"
  | "owner"
  | "blast_radius"
  | "metric"
  | "compare"
  | "logs"
  | "runbook"
  | "health"
  | "check"
  | "unknown_service"
  | "unclear";

export interface Question {
  readonly text: string;
  readonly intent: Intent;
  readonly service: ServiceName | null;
  readonly signal: RedSignal | null;
  /** ISO 8601, or null when the question names no time. */
  readonly from: string | null;
  readonly to: string | null;
  /** A word that looks like a service but is none, with the nearest names. */
  readonly unknown: { readonly word: string; readonly nearest: readonly ServiceName[] } | null;
}

/** First match wins, so the more particular come first. */
const INTENTS: readonly (readonly [Intent, RegExp])[] = [
  [
    "why_so",
    /\bwhy (?:do|did|would|are) you\b|\bhow do you know\b|\bwhat makes you\b|\bare you sure\b|\b(?:what is|show|where is) (?:the |your )?(?:proof|evidence|reasoning)\b|\bexplain (?:that|yourself|your)/,
  ],
  [
    "compare",
    /\b(?:compar\w*|versus|vs\.?|against)\b.*\b(?:week|yesterday|before|usual|normal)\b|\blast week\b|\bweek over week\b/,
  ],
  [
    "changed_before",
    /\b(?:chang\w+|deploy\w*|releas\w+|roll(?:ed)?[ -]?out\w*)\b.*\b(?:like (?:this|that|it)|similar)\b|\b(?:similar|ever)\b.*\b(?:chang\w+|deploy\w*|releas\w+|roll(?:ed)?[ -]?outs?)\b|\b(?:past|earlier) (?:changes?|deploys?|releases?|roll-?outs?)\b/,
  ],
  [
    "changes",
    /\bchang(?:e|ed|es|ing)\b|\bdeploy(?:s|ed|ment|ments)?\b|\breleas(?:e|ed|es)\b|\brolled out\b|\bflags?\b.*\b(?:since|today|flipped|toggled)\b|\bwho (?:deployed|flipped|toggled|pushed)\b/,
  ],
  [
    "seen_before",
    /\bseen (?:this|it|that|something like)\b|\bhappened before\b|\b(?:similar|past|previous|earlier) (?:incident|outage|case|problem)s?\b|\bever (?:had|seen|happened)\b/,
  ],
  ["owner", /\bwho(?:'s| is| are)?\b.*\b(?:on[- ]?call|owns?|owner|responsible|maintains?|team)\b|\bowner of\b|\bwhich team\b/],
  [
    "blast_radius",
    /\bblast radius\b|\bdepend(?:s|ent|ents|encies|ency)?\b|\b(?:upstream|downstream)\b|\bwho calls\b|\bwhat (?:else )?(?:breaks|is affected|would break)\b|\bimpact of\b/,
  ],
  [
    "runbook",
    /\brun ?books?\b|\bplaybooks?\b|\bwhat should (?:i|we) do\b|\bhow (?:do|to|can) (?:i|we|one)?\s*(?:fix|mitigate|restart|handle)\b/,
  ],
  ["logs", /\blogs?\b|\blog lines?\b|\berror messages?\b/],
  [
    "why",
    /\bwhy\b|\bwhat(?:'s| is) (?:causing|behind|wrong with|going on with|up with|happening (?:to|with))\b|\broot cause\b|\binvestigat\w+\b|\bdiagnos\w+\b|\bwhat (?:broke|happened to)\b/,
  ],
  [
    "metric",
    /\bp(?:50|90|95|99)\b|\b(?:show|plot|graph|chart|draw|give)\b|\b(?:latency|error rate|errors|throughput|traffic|requests?|rps|qps|duration|response time)\b/,
  ],
  ["check", /\b(?:check|look at|look into|inspect|what about|and the|how about)\b/],
  [
    "health",
    /\b(?:anything|something|everything|all) (?:is )?(?:wrong|broken|ok|okay|fine|good|unusual|anomalous|up)\b|\bis (?:anything|everything|something)\b|\bhow (?:is|are) (?:things|everything|it|we)\b|\bhealthy?\b|\bstatus\b|\bhow is\b/,
  ],
];

const SIGNALS: readonly (readonly [RedSignal, RegExp])[] = [
  ["latency_p95", /\bp9[059]\b|\btail\b|\b95th\b|\bpercentile\b/],
  ["errors", /\berrors?\b|\berror rate\b|\bfail(?:s|ing|ed|ures?)?\b|\b5xx\b/],
  ["rate", /\btraffic\b|\brps\b|\bqps\b|\bthroughput\b|\brequest rate\b|\bload\b/],
  ["latency", /\blatency\b|\bslow\w*\b|\bduration\b|\bresponse times?\b/],
];

const TIME = String.raw`(\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2})?z?)?|\d{1,2}(?::\d{2})?\s*(?:am|pm)|\d{1,2}:\d{2}|midnight|yesterday|today|this morning|last night|\d+\s*(?:m|h|d|w|min|mins|minutes?|hours?|days?|weeks?)\s+ago)`;
const PLAIN_WORDS = new Set(
  "the a an it that this is are was be we i you me my our of for in on at to from with and or so not now today since until before after last week hour day night morning api service services system app everything anything something things slow fast down up broken failing latency errors error rate p95 p99 p50 p90 show why what when who how check too also please cache database db prod production all cause root think same again here there".split(
    " ",
  ),
);

/** Understands a question by general rules over the names that are known; `fallback` is the service of the thread. */
export function understand(text: string, services: readonly ServiceName[], now: EpochMs, fallback: ServiceName | null): Question {
  const words = text.toLowerCase().replace(/[’`]/g, "'").replace(/\s+/g, " ");
  const intent = INTENTS.find(([, pattern]) => pattern.test(words))?.[0] ?? "unclear";
  const signal = SIGNALS.find(([, pattern]) => pattern.test(words))?.[0] ?? null;
  const named = mentioned(words, services);
  const unknown = named ? null : stranger(words, services);
  const { from, to } = times(words, now);
  const generic =
    intent === "changes" || intent === "changed_before" || intent === "seen_before" || intent === "why_so" || intent === "health";
  const service = named ?? (unknown && !generic ? null : fallback);
  const lost = service === null && unknown !== null && !generic;
  return {
    text,
    intent: lost ? "unknown_service" : intent,
    service: named ?? (generic && intent !== "why_so" ? null : service),
    signal,
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
    if (word && !PLAIN_WORDS.has(word)) return { word, nearest: nearest(word, services) };
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
