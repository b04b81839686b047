import { createHash } from "node:crypto";
import type { Kysely, Transaction } from "kysely";
import { canonicalJson } from "../actions/digest.ts";
import type { AuditEntry } from "../actions/store.ts";

export interface AuditTable {
  seq: number;
  at: number;
  actor: string;
  kind: string;
  subject: string;
  data: string;
  prev_hash: string;
  hash: string;
}

export interface AuditTables {
  audit: AuditTable;
}

const GENESIS = "0".repeat(64);

const hashOf = (row: Omit<AuditTable, "hash">): string => createHash("sha256").update(canonicalJson(row)).digest("hex");

/** Appends to the hash chain; call it inside the transaction whose change it records. */
export async function appendAudit<Tables extends AuditTables>(
  transaction: Transaction<Tables>,
  entry: AuditEntry,
  at: number,
): Promise<void> {
  // The chain needs no more of the database than its own table.
  const db = transaction as unknown as Transaction<AuditTables>;
  const last = await db.selectFrom("audit").select(["seq", "hash"]).orderBy("seq", "desc").limit(1).executeTakeFirst();
  const row = {
    seq: (last?.seq ?? 0) + 1,
    at,
    actor: entry.actor,
    kind: entry.kind,
    subject: entry.subject,
    data: JSON.stringify(entry.data),
    prev_hash: last?.hash ?? GENESIS,
  };
  await db
    .insertInto("audit")
    .values({ ...row, hash: hashOf(row) })
    .execute();
}

export interface ChainState {
  readonly rows: number;
  readonly head: string;
  /** The first row that does not fit, or null when the chain is whole. */
  readonly broken: { readonly seq: number; readonly why: string } | null;
}

/** Walks the chain from its beginning. `anchor` is a head noted elsewhere earlier: it must be on the chain, or its tail was cut or rewritten. */
export async function verifyAudit(
  db: Kysely<{ audit: AuditTable }>,
  anchor: { seq: number; hash: string } | null,
): Promise<ChainState> {
  let previous = GENESIS;
  let expected = 1;
  let broken: ChainState["broken"] = null;
  let anchored = anchor === null;
  for (const row of await db.selectFrom("audit").selectAll().orderBy("seq").execute()) {
    const { hash, ...body } = row;
    if (row.seq !== expected) broken ??= { seq: row.seq, why: `row ${expected} is missing` };
    else if (row.prev_hash !== previous) broken ??= { seq: row.seq, why: "it does not follow the row before it" };
    else if (hashOf(body) !== hash) broken ??= { seq: row.seq, why: "its content was changed" };
    if (anchor && row.seq === anchor.seq) {
      anchored = true;
      if (hash !== anchor.hash) broken ??= { seq: row.seq, why: "it is not the row that was anchored: the chain was rewritten" };
    }
    previous = hash;
    expected = row.seq + 1;
  }
  if (!anchored && anchor) broken ??= { seq: expected, why: `rows up to ${anchor.seq} were anchored, the tail was cut` };
  return { rows: expected - 1, head: previous, broken };
}
