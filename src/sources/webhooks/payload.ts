import type { IncomingHttpHeaders } from "node:http";
import { z } from "zod";
import type { EpochMs } from "../../domain/time.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import type { IncomingAlert } from "../../flows/alert.ts";
import type { IncomingChange } from "../../flows/changes.ts";

/** What a request turned out to say. `ignored` tells the sender why nothing came of it. */
export interface Delivery {
  /** The sender's id of this delivery: the same is taken once. Null when the content itself tells, as the fingerprints of alerts do. */
  readonly id: string | null;
  readonly alerts?: readonly IncomingAlert[];
  readonly changes?: readonly IncomingChange[];
  readonly ignored?: string;
}

/** Services that a repository, project, application or flag of this name belongs to; none when nobody knows. */
export type ServicesOf = (name: string) => readonly string[];

/** Reads one sender's body. `now` is the wall clock, for what bears no time. Throws `BadPayload`, or zod's error, when it cannot. */
export type Reader = (body: unknown, headers: IncomingHttpHeaders, now: EpochMs) => Delivery;

/** A body that is JSON but not what its sender documents; the message names the key. */
export class BadPayload extends Error {
  override readonly name = "BadPayload";
}

/** A time as ISO 8601 text, or as seconds or milliseconds since 1970. */
export const timestamp = z.union([z.string(), z.number()]).transform((value, context): EpochMs => {
  const at =
    typeof value === "number"
      ? value < 1e11
        ? value * 1_000
        : value
      : Date.parse(value.replace(/ UTC$/, "Z").replace(/^(\S+) (\S+) ?/, "$1T$2"));
  if (Number.isFinite(at)) return at;
  context.addIssue({ code: "custom", message: "must be a time, for instance 2026-03-01T02:47:00Z" });
  return z.NEVER;
});

/** Other people's text as one safe line. */
export const line = (text: string | null | undefined, longest = 200): string =>
  cleanUntrusted(text ?? "", longest)
    .text.replace(/\s+/g, " ")
    .trim();

/** Other people's text, safe, with its line breaks. */
export const prose = (text: string | null | undefined, longest = 4_000): string =>
  cleanUntrusted(text ?? "", longest).text.trim();

/** An address that a person may open: http or https, without credentials; anything else is null. */
export function webLink(text: string | null | undefined): string | null {
  if (!text || !URL.canParse(text)) return null;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && !url.username && !url.password ? url.href.slice(0, 500) : null;
}

export function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value.slice(0, 200) : null;
}
