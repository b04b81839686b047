import { safeLink } from "../../cards/parts.ts";
import { plain } from "../../text.ts";
import { escaped, table } from "../html.ts";
import type { Readable, View } from "./view.ts";
import { anchor } from "./window.ts";

const LONGEST = 60_000;

/** A past incident or runbook in full, or null where the readers of this page may know none of that id. */
export async function documentView(read: Readable, id: string): Promise<View | null> {
  const document = await read.document(id);
  if (!document) return null;
  const { title, kind, text, metadata = {} } = document;
  const link = safeLink(metadata.link ?? null);
  return {
    heading: plain(title, 300),
    nav: [escaped(`${kind} ${plain(id, 120)}`), ...(link ? [anchor(link, "where it comes from")] : [])].join(" · "),
    main: `<pre class="prose">${escaped(plain(text, LONGEST))}</pre>
${table(
  "About it",
  ["what", "value"],
  Object.entries(metadata).map(([key, value]) => [plain(key, 60), plain(value, 500)]),
)}`,
  };
}
