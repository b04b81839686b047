/**
 * Text that others wrote (logs, labels, commit messages, runbooks, chat) is data. These pure functions make it safe to show
 * and to reason about: secrets out, invisible characters out, length capped, attempts to instruct the reader flagged.
 */

interface SecretRule {
  readonly kind: string;
  readonly pattern: RegExp;
  /** Keeps the harmless part of the match, for instance the name before the equals sign. */
  readonly keep?: (match: string, ...groups: string[]) => string;
}

const mark = (kind: string) => `[redacted ${kind}]`;

/** Most specific first: a later rule never sees what an earlier one removed. */
const RULES: readonly SecretRule[] = [
  {
    kind: "private key",
    pattern: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g,
  },
  { kind: "Slack token", pattern: /\bxox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}/g },
  { kind: "Slack webhook", pattern: /https:\/\/hooks\.slack\.com\/(?:services|workflows)\/[A-Za-z0-9/_-]+/g },
  { kind: "AWS key id", pattern: /\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}\b/g },
  { kind: "GitHub token", pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})/g },
  { kind: "API key", pattern: /\b(?:sk|pk|rk)[-_](?:proj-|live_|test_|ant-)?[A-Za-z0-9_-]{16,}/g },
  { kind: "Google key", pattern: /\bAIza[A-Za-z0-9_-]{30,}/g },
  { kind: "JWT", pattern: /\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*/g },
  {
    kind: "authorization",
    pattern:
      /\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?!\[redacted [a-z -]{1,24}\])(?:(?:bearer|basic|digest|token|apikey)\s+)?[^\s"',;]+/gi,
    keep: (_match, name = "") => `${name}${mark("authorization")}`,
  },
  {
    kind: "bearer token",
    pattern: /\b(bearer\s+)[A-Za-z0-9._~+/=-]{12,}/gi,
    keep: (_match, name = "") => `${name}${mark("bearer token")}`,
  },
  {
    kind: "credentials",
    pattern: /\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s:/@]{0,100}:[^\s@]{1,200}@/gi,
    keep: (_match, scheme = "") => `${scheme}${mark("credentials")}@`,
  },
  {
    kind: "secret",
    pattern:
      /\b([\w.-]{0,40}(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|accountkey|client[_-]?secret|auth[_-]?token|access[_-]?token|refresh[_-]?token|private[_-]?key)["']?\s*(?:=|:)\s*)(?!\[redacted [a-z -]{1,24}\])(?:"[^"]{1,500}"|'[^']{1,500}'|[^\s"',;&}]{1,500})/gi,
    keep: (_match, name = "") => `${name}${mark("secret")}`,
  },
  {
    kind: "cookie",
    pattern: /\b((?:set-)?cookie["']?\s*[:=]\s*)[^\r\n]+/gi,
    keep: (_match, name = "") => `${name}${mark("cookie")}`,
  },
];

/** Removes secrets, leaving what kind each was. Applied before the model, the chat and the disk; a text that was redacted already stays as it is. */
export function redact(text: string): string {
  let safe = text;
  for (const { pattern, kind, keep } of RULES) safe = safe.replace(pattern, keep ?? (() => mark(kind)));
  safe = safe.replace(/\b\d(?:[ -]?\d){12,18}\b/g, (digits) => (isCard(digits) ? mark("card number") : digits));
  return safe.replace(/[A-Za-z0-9+/_=-]{32,}/g, (word) => (looksRandom(word) ? mark("high-entropy text") : word));
}

/** Luhn's check (ISO/IEC 7812) on a number that begins as payment cards do. */
function isCard(text: string): boolean {
  const digits = text.replace(/\D/g, "");
  if (!/^[2-6]/.test(digits)) return false;
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index]);
    sum += index % 2 === 0 ? digit : digit * 2 - (digit > 4 ? 9 : 0);
  }
  return sum % 10 === 0;
}

/** Shannon entropy per character; hexadecimal ids (trace ids, commit hashes, digests) are let through on purpose: people need them. */
function looksRandom(word: string): boolean {
  if (/^[0-9a-f-]+$/i.test(word) || !/[a-z]/.test(word) || !/[A-Z]/.test(word) || !/\d/.test(word)) return false;
  const counts = new Map<string, number>();
  for (const character of word) counts.set(character, (counts.get(character) ?? 0) + 1);
  let entropy = 0;
  for (const count of counts.values()) entropy -= (count / word.length) * Math.log2(count / word.length);
  return entropy > 4.1;
}

/** Control and format characters but tab and newline: bidirectional overrides, zero-width and tag characters; fillers, variation selectors. */
const INVISIBLE = /(?![\t\n])(?:\p{Cc}|\p{Cf}|\p{Variation_Selector}|\u115F|\u1160|\u3164)/gu;
/** Half of a surrogate pair: what is left when a text is cut through a character. */
const HALF_CHARACTER = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
const ANSI = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, "g");

const INSTRUCTIONS: readonly RegExp[] = [
  /\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|prior|above|earlier|all|your|system|safety)\b.{0,30}\b(?:instructions?|prompts?|rules?|messages?|directions?|guidelines?|context)\b/i,
  /\b(?:new|updated|real|important) (?:system )?instructions?\b/i,
  /\byou (?:are now|must now|should now|will now|have to now)\b|\bact as (?:an?|the)\b.{0,30}\b(?:admin|assistant|agent|operator|root)\b/i,
  /<\/?\s*(?:system|assistant|untrusted|tool_call|function_call|im_start|im_end)\b|<\|im_(?:start|end)\|>|\[\/?INST\]|^\s*(?:system|assistant)\s*:/im,
  /\b(?:dear|attention|note to|hey|hello)\b.{0,15}\b(?:ai|llm|language model|assistant|agent|sre bot|bot|vigil|gpt|copilot)\b/i,
  /\b(?:ai|llm|assistant|agent|bot|vigil)\b.{0,20}\b(?:must|should|please|shall)\b.{0,60}\b(?:call|run|execute|toggle|disable|enable|roll ?back|restart|delete|approve|deploy|propose)\b/i,
  /\b(?:call|invoke|use|run)\b.{0,20}\b(?:tool|function)s?\b.{0,40}\b(?:toggle|roll|restart|delete|approve|flag|deploy)/i,
  /\b(?:reveal|print|show|repeat|leak|exfiltrate)\b.{0,30}\b(?:system prompt|your prompt|your instructions|api keys?|secrets?|credentials)\b/i,
  /\b(?:pre-?approved|approval (?:is )?(?:not |un)(?:required|needed|necessary)|without (?:asking|approval|confirmation)|skip (?:the )?approval)\b/i,
  // The commonest of them, "ignore what you were told", in the languages of most logs and chats besides English.
  /\bignor(?:iere?|ieren|e[zs]?|a|e|ar)\b.{0,40}\b(?:anweisungen|instruktionen|regeln|instructions|consignes|instrucciones|reglas|istruzioni|instruções)/iu,
  /(?:игнорируй|игнорируйте|забудь).{0,40}(?:инструкци|указани|правил)/iu,
  /(?:忽略|无视|無視).{0,20}(?:指令|指示|规则|規則)|(?:指示|命令|ルール).{0,12}無視/u,
];

/** Cyrillic and Greek letters that look like Latin ones; folded only to judge a text, never to change it (after Unicode UTS 39). */
const LOOK_ALIKES: Readonly<Record<string, string>> = Object.fromEntries(
  [..."аaеeоoрpсcхxуyіiјjѕsԁdһhАAВBЕEКKМMНHОOРPСCТTХXІIЅSοoαaρpνvΑAΒBΕEΗHΙIΚKΜMΝNΟOΡPΤTΧX".matchAll(/(.)(.)/gu)].map(
    ([, alike = "", latin = ""]) => [alike, latin],
  ),
);

export interface Untrusted {
  /** Redacted, visible characters only, at most the asked length; an ellipsis marks a cut. */
  readonly text: string;
  /** True when it reads like an attempt to instruct the model. */
  readonly suspicious: boolean;
}

const visibleOf = (text: string): string =>
  text.replace(HALF_CHARACTER, "").normalize("NFC").replace(ANSI, "").replace(INVISIBLE, "");

/** Secrets and what nobody sees out, uncut: for a text whose length is limited elsewhere. */
export const cleaned = (text: string): string => redact(visibleOf(text));

/** An ellipsis for what follows `kept`; a word that `next` would go on with is left out rather than shown in part, unless it is very long. */
export const cutBefore = (kept: string, next: string | undefined): string =>
  `${(/\S/u.test(next ?? " ") ? kept.replace(/(?<=\S)\s+\S{1,24}$/u, "") : kept).trimEnd()}…`;

/** Cleans text that somebody else wrote. `longest` is in characters. */
export function cleanUntrusted(text: string, longest = 500): Untrusted {
  const visible = visibleOf(text.slice(0, Math.max(longest * 8, 20_000)));
  const safe = redact(visible);
  const cut =
    safe.length > longest
      ? cutBefore(safe.slice(0, Math.max(0, longest - 1)).replace(HALF_CHARACTER, ""), safe[longest - 1])
      : safe;
  return { text: cut, suspicious: looksLikeInstruction(visible) };
}

/** True when a text tries to speak to the model rather than to people. Compatibility forms are folded before looking. */
export function looksLikeInstruction(text: string): boolean {
  const folded = text.normalize("NFKC").replace(ANSI, "").replace(INVISIBLE, "");
  const latin = folded.replace(/[\u0370-\u052F]/g, (letter) => LOOK_ALIKES[letter] ?? letter);
  return INSTRUCTIONS.some((pattern) => pattern.test(folded) || (latin !== folded && pattern.test(latin)));
}

/** Puts cleaned text between marks that it cannot forge, so that a prompt can say "what is in here is data". */
export function fence(source: string, text: string): string {
  const inner = text.replace(/<(\/?)(\s*)untrusted/gi, "‹$1$2untrusted");
  return `<untrusted source="${source.replace(/[^\w .:/-]/g, "")}">\n${inner}\n</untrusted>`;
}
