import { LONGEST_REASON } from "../domain/proposal.ts";
import { cleaned, cleanUntrusted } from "../domain/untrusted.ts";

/** What a person said about a decision: one line without secrets and invisible characters, null when that leaves nothing; or why it cannot be taken. */
export type SaidReason = { readonly ok: true; readonly reason: string | null } | { readonly ok: false; readonly refusal: string };

/** The reason of an approval. It stands in the audit trail for good, so it is never cut: what is too long is refused. */
export function approvalReason(given: string | null): SaidReason {
  const reason = oneLine(given);
  const length = [...reason].length;
  if (length > LONGEST_REASON)
    return {
      ok: false,
      refusal: `A reason has at most ${LONGEST_REASON} characters and this one has ${length}; shorten it, then approve again.`,
    };
  return { ok: true, reason: cleaned(reason).trim() || null };
}

/** The reason of a denial. It is cut where it is too long: a denial must not fail for its words. */
export const denialReason = (given: string | null): string | null =>
  cleanUntrusted(oneLine(given), LONGEST_REASON).text.trim() || null;

const oneLine = (text: string | null): string => (text ?? "").replace(/\s+/g, " ").trim();
