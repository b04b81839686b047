import { lookAddress } from "../../../domain/look-address.ts";
import { DAY } from "../../../domain/time.ts";
import { safeLink } from "../../cards/parts.ts";
import { plain } from "../../text.ts";
import { escaped } from "../html.ts";
import { MOST_ROWS, type Readable, type View } from "./view.ts";
import { anchor, minute, moves, windowOf, windowText } from "./window.ts";

/** What people and pipelines changed during a window, newest first, and what could not be read. */
export async function changesView(read: Readable, query: URLSearchParams): Promise<View> {
  const asked = windowOf(query, read.now());
  const window = query.has("from") ? asked : { from: asked.to - DAY, to: asked.to };
  const service = query.get("service");
  const changes = await read.changes.changes({ ...window, limit: MOST_ROWS, ...(service ? { services: [service] } : {}) });
  const rows = changes.map(({ at, kind, subject, before, after, actor, services, summary, reference }) => {
    const link = safeLink(reference);
    const where = link ? anchor(link, "there") : escaped(plain(reference, 80));
    const cells = [minute(at), `${kind} ${plain(subject, 120)}`, `${plain(before, 80)} → ${plain(after, 80)}`, plain(actor, 80)];
    const more = [services.map((one) => plain(one, 60)).join(", "), plain(summary, 300)];
    return `<tr>${[...cells, ...more].map((cell) => `<td>${escaped(cell)}</td>`).join("")}<td>${where}</td></tr>`;
  });
  const unread = (read.changes.unread?.() ?? []).map((why) => `<p class="warning">Not known: ${escaped(plain(why, 300))}</p>`);
  return {
    heading: `Changes${service ? ` of ${plain(service, 100)}` : ""}, ${windowText(window)}`,
    nav: [
      moves(window, read.now(), (moved) => lookAddress("/changes", moved, { service })),
      ...(service
        ? [
            anchor(lookAddress("/changes", window), "of all services"),
            anchor(lookAddress(`/services/${encodeURIComponent(service)}`, window), "metrics"),
          ]
        : []),
    ].join(" · "),
    main: `${unread.join("")}${
      rows.length === 0
        ? "<p>Nothing changed, as far as the connected sources tell.</p>"
        : `<table class="lines"><thead><tr><th>UTC</th><th>what</th><th>from → to</th><th>who</th><th>services</th><th>why</th><th>where</th></tr></thead><tbody>${rows.join("")}</tbody></table>`
    }`,
  };
}
