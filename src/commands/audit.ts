import { type Config, loadConfig } from "../config.ts";
import { OperatorError } from "../operator-error.ts";
import { type AuditTable, auditTrail, verifyAudit } from "../store/audit.ts";
import { closeStores, openStores, type Stores } from "../stores.ts";
import { readAnchors } from "../targets/anchor/file.ts";
import { anchorFile } from "../wiring/anchor-file.ts";
import { type OutputOptions, print } from "./output.ts";

/** `vigil audit verify`: walks the whole trail, and exits with 1 naming the first row that was touched. */
export async function verifyTrail(options: OutputOptions & { readonly anchors?: string }): Promise<void> {
  const config = loadConfig();
  const file = options.anchors ?? anchorFile(config);
  const anchors = await readAnchors(file).catch((error) => {
    throw new OperatorError(`The anchors cannot be used: ${error instanceof Error ? error.message : String(error)}.`);
  });
  if (options.anchors && anchors.length === 0) throw new OperatorError(`There are no anchors in ${file}.`);
  const { rows, head, broken } = await withStores(config, ({ state }) => verifyAudit(state, anchors));
  if (broken) throw new OperatorError(`The audit trail was touched: row ${broken.seq}: ${broken.why}.`);
  const against =
    anchors.length > 0 ? `and agrees with ${anchors.length} anchors in ${file}` : `but nothing was anchored in ${file} yet`;
  print(options, { rows, head, anchors: anchors.length }, () => `The audit trail of ${rows} rows is whole, ${against}.`);
}

/** `vigil audit show PRO-7`: who proposed, who approved, what ran, what happened. */
export async function showTrail(subject: string, options: OutputOptions): Promise<void> {
  const rows = await withStores(loadConfig(), ({ state }) => auditTrail(state, subject));
  if (rows.length === 0) throw new OperatorError(`Nothing was recorded about ${subject}.`);
  const entries = rows.map(({ seq, at, actor, kind, data }) => ({
    seq,
    at: new Date(at).toISOString(),
    actor,
    kind,
    data: factsOf(data),
  }));
  print(options, { subject, entries }, () => rows.map(line).join("\n"));
}

const factsOf = (data: string): Record<string, unknown> => JSON.parse(data) as Record<string, unknown>;

function line({ seq, at, actor, kind, data }: AuditTable): string {
  const facts = Object.entries(factsOf(data)).map(
    ([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${String(seq).padStart(5)}  ${new Date(at).toISOString().slice(0, 19)}Z  ${kind}  by ${actor}${facts.map((fact) => `\n       ${fact}`).join("")}`;
}

async function withStores<T>(config: Config, work: (stores: Stores) => Promise<T>): Promise<T> {
  const stores = await openStores(config);
  try {
    return await work(stores);
  } finally {
    await closeStores(stores);
  }
}
