import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type EpochMs, MINUTE, SECOND } from "../../domain/time.ts";

/** How a sender shows who it is. Header names are compared without regard to case. */
export type Scheme =
  /** `Authorization: Bearer TOKEN`. */
  | { readonly kind: "bearer"; readonly token: string }
  /** The token as the whole value of a header, as GitLab sends it. */
  | { readonly kind: "header"; readonly header: string; readonly token: string }
  /**
   * HMAC-SHA256 of the raw body (RFC 2104), in hex or base64, after `prefix`. Several signatures may be given, separated by commas, while
   * a secret is being replaced. With `timestampHeader` the signed text is `TIMESTAMP SEPARATOR BODY`, the time in Unix seconds.
   */
  | {
      readonly kind: "hmac";
      readonly header: string;
      readonly secret: string;
      readonly prefix?: string;
      readonly encoding?: "hex" | "base64";
      readonly timestampHeader?: string;
      readonly timestampSeparator?: string;
    };

/** How far the time of a signed request may be from ours, so that one that was overheard cannot be sent again later. */
const TOLERANCE = 5 * MINUTE;

/**
 * Null when one of the schemes is satisfied, else why not. Without any scheme nothing is. Comparisons take the same time whatever is sent.
 *
 * @param now wall clock
 */
export function refusalOf(schemes: readonly Scheme[], headers: IncomingHttpHeaders, body: Buffer, now: EpochMs): string | null {
  if (schemes.length === 0) return "no token or secret is configured for it";
  const reasons: string[] = [];
  for (const scheme of schemes) {
    const reason = check(scheme, headers, body, now);
    if (reason === null) return null;
    reasons.push(reason);
  }
  return reasons.join("; ");
}

function check(scheme: Scheme, headers: IncomingHttpHeaders, body: Buffer, now: EpochMs): string | null {
  if (scheme.kind === "bearer") {
    const [, token] = /^bearer +(\S+)$/i.exec(headerValue(headers, "authorization") ?? "") ?? [];
    if (token === undefined) return "no bearer token";
    return same(token, scheme.token) ? null : "wrong bearer token";
  }
  const sent = headerValue(headers, scheme.header);
  if (sent === null) return `no ${scheme.header} header`;
  if (scheme.kind === "header") return same(sent, scheme.token) ? null : `wrong ${scheme.header}`;

  const hmac = createHmac("sha256", scheme.secret);
  if (scheme.timestampHeader) {
    const timestamp = headerValue(headers, scheme.timestampHeader);
    if (timestamp === null) return `no ${scheme.timestampHeader} header`;
    const apart = Math.abs(Number(timestamp) * SECOND - now);
    if (!(apart <= TOLERANCE)) return `${scheme.timestampHeader} is not within ${TOLERANCE / MINUTE} minutes of now`;
    hmac.update(`${timestamp}${scheme.timestampSeparator ?? ":"}`);
  }
  const wanted = `${scheme.prefix ?? ""}${hmac.update(body).digest(scheme.encoding ?? "hex")}`;
  // Each is compared, so that the time does not tell which one matched.
  const matches = sent.split(",").filter((one) => same(one.trim(), wanted));
  return matches.length > 0 ? null : `wrong signature in ${scheme.header}`;
}

function headerValue(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name.toLowerCase()];
  return typeof value === "string" && value !== "" ? value : null;
}

/** Digests have one length whatever is compared. */
const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
