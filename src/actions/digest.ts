import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Proposal } from "../domain/proposal.ts";

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

/** Grows when an action of the catalogue comes to mean something else; approvals from before then no longer hold. */
const CATALOGUE = 2;

export type Undigested = Omit<Proposal, "digest" | "state" | "approvals" | "outcome">;

/** What an approval binds: every byte that decides what will run, and every one that people read before they decide. */
export function digestOf(proposal: Undigested, secrets: { readonly preState: string; readonly snapshot: string }): string {
  const { id, rev, action, args, stages, target, environment, services, risk, criterion, createdAt, expiresAt } = proposal;
  const { currentState, wantedState, undo, neededApprovals, reasonNeeded, requester } = proposal;
  const bound = {
    catalogue: CATALOGUE,
    id,
    rev,
    action,
    args,
    stages,
    target,
    environment,
    services,
    tier: risk.tier,
    criterion,
    currentState,
    wantedState,
    undo,
    neededApprovals,
    reasonNeeded,
    requester,
    createdAt,
    expiresAt,
    preState: secrets.preState,
    snapshot: secrets.snapshot,
  };
  return createHash("sha256").update(canonicalJson(bound)).digest("hex");
}

/** The button's secret: it can be made again after a restart, and nobody without the key can make one. */
export const nonceOf = (key: Buffer, proposalId: string, rev: number): string =>
  createHmac("sha256", key).update(`${proposalId}.${rev}`).digest("base64url").slice(0, 22);

/** Compares in constant time. */
export function sameSecret(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
