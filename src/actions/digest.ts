import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** JSON with sorted keys at every depth, so that equal values are equal bytes (RFC 8785 in spirit, for plain JSON values). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** What an approval binds: every byte that decides what will run. */
export interface Bound {
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly target: string;
  readonly environment: string;
  readonly preState: string;
  readonly snapshot: string;
  readonly tier: string;
  readonly criterion: unknown;
  readonly expiresAt: number;
}

export const digestOf = (bound: Bound): string => createHash("sha256").update(canonicalJson(bound)).digest("hex");

/** The button's secret: it can be made again after a restart, and nobody without the key can make one. */
export const nonceOf = (key: Buffer, proposalId: string, rev: number): string =>
  createHmac("sha256", key).update(`${proposalId}.${rev}`).digest("base64url").slice(0, 22);

/** Compares in constant time. */
export function sameSecret(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
