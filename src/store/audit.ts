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

/** The chain needs no more of a database than its own table. */
const onlyAudit = <Tables extends AuditTables>(db: Kysely<Tables>) => db as unknown as Kysely<AuditTables>;

const newestRow = (db: Kysely<AuditTables>) =>
  db.selectFrom("audit").select(["seq", "hash"]).orderBy("seq", "desc").limit(1).executeTakeFirst();

/** Appends to the hash chain; call it inside the transaction whose change it records. */
export async function appendAudit<Tables extends AuditTables>(
  transaction: Transaction<Tables>,
  entry: AuditEntry,
  at: number,
): Promise<void> {
  const db = onlyAudit(transaction);
  const last = await newestRow(db);
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

/** The newest row of the trail, or null while there is none. */
export async function auditHead<Tables extends AuditTables>(db: Kysely<Tables>): Promise<{ seq: number; hash: string } | null> {
  const last = await newestRow(onlyAudit(db));
  return last ? { seq: Number(last.seq), hash: last.hash } : null;
}

/** Everything that was recorded about a subject (a proposal, a flag, a channel), oldest first. */
export async function auditTrail<Tables extends AuditTables>(db: Kysely<Tables>, subject: string): Promise<AuditTable[]> {
  return onlyAudit(db).selectFrom("audit").selectAll().where("subject", "=", subject).orderBy("seq").execute();
}

/** Walks the chain from its beginning. Each anchor is a head that was noted elsewhere earlier: it must be on the chain, or the tail was cut or the chain rewritten. */
export async function verifyAudit<Tables extends AuditTables>(
  db: Kysely<Tables>,
  anchors: readonly { readonly seq: number; readonly hash: string }[] = [],
): Promise<ChainState> {
  const noted = new Map(anchors.map(({ seq, hash }) => [seq, hash]));
  let previous = GENESIS;
  let expected = 1;
  let broken: ChainState["broken"] = null;
  for (const row of await onlyAudit(db).selectFrom("audit").selectAll().orderBy("seq").execute()) {
    const { hash, ...body } = row;
    const anchored = noted.get(row.seq);
    if (row.seq !== expected) broken ??= { seq: row.seq, why: `row ${expected} is missing` };
    else if (row.prev_hash !== previous) broken ??= { seq: row.seq, why: "it does not follow the row before it" };
    else if (hashOf(body) !== hash) broken ??= { seq: row.seq, why: "its content was changed" };
    else if (anchored !== undefined && anchored !== hash)
      broken ??= { seq: row.seq, why: "it is not the row that was anchored: the chain was rewritten" };
    previous = hash;
    expected = row.seq + 1;
  }
  const furthest = Math.max(0, ...noted.keys());
  if (furthest >= expected) broken ??= { seq: expected, why: `rows up to ${furthest} were anchored, the tail was cut` };
  return { rows: expected - 1, head: previous, broken };
}
