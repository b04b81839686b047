import { lookAddress } from "../../../domain/look-address.ts";
import type { LogRecord, Severity, TimeRange } from "../../../domain/telemetry.ts";
import { plain } from "../../text.ts";
import { escaped } from "../html.ts";
import { MOST_ROWS, type Readable, type View } from "./view.ts";
import { anchor, moves, windowOf, windowText } from "./window.ts";

const LEVELS: readonly Severity[] = ["DEBUG", "INFO", "WARN", "ERROR"];

/** Log lines of a window, newest first: of a service, with a text, from a severity up. */
export async function logsView(read: Readable, query: URLSearchParams): Promise<View> {
  const window = windowOf(query, read.now());
  const [service, text] = [query.get("service"), query.get("text")];
  const asked = (query.get("minSeverity") ?? query.get("level") ?? "").toUpperCase();
  const level = LEVELS.find((one) => one === asked) ?? null;
  const lines = await read.logs.logs({
    ...window,
    limit: MOST_ROWS,
    ...(service ? { service } : {}),
    ...(text ? { text } : {}),
    ...(level ? { minSeverity: level } : {}),
  });
  const here = (other: TimeRange, minSeverity: string | null) => lookAddress("/logs", other, { service, text, minSeverity });
  const levels = ["DEBUG", "WARN", "ERROR"].map((one) =>
    one === (level ?? "DEBUG") ? `<strong>${levelName(one)}</strong>` : anchor(here(window, one), levelName(one)),
  );
  const of = [service && `of ${plain(service, 100)}`, text && `with “${plain(text, 100)}”`].filter(Boolean).join(" ");
  const cut = lines.length === MOST_ROWS ? `The newest ${MOST_ROWS} lines; narrow the window for the rest.` : "";
  return {
    heading: `Logs ${of || "of all services"}, ${windowText(window)}`,
    nav: [
      levels.join(" · "),
      moves(window, read.now(), (moved) => here(moved, level)),
      ...(service ? [anchor(lookAddress(`/services/${encodeURIComponent(service)}`, window), "metrics")] : []),
      ...(text ? [anchor(lookAddress("/logs", window, { service, minSeverity: level }), "all its lines")] : []),
    ].join(" · "),
    main:
      lines.length === 0
        ? "<p>There is no such line in this window.</p>"
        : `${cut ? `<p>${cut}</p>` : ""}<table class="lines"><thead><tr><th>UTC</th><th>level</th>${service ? "" : "<th>service</th>"}<th>line</th></tr></thead><tbody>${lines
            .map((line) => row(line, service === null, window))
            .join("")}</tbody></table>`,
  };
}

const levelName = (level: string): string => ({ DEBUG: "all", WARN: "warnings", ERROR: "errors" })[level] ?? level;

function row({ at, severity, service, body, traceId }: LogRecord, named: boolean, window: TimeRange): string {
  const trace = traceId ? ` ${anchor(lookAddress(`/traces/${encodeURIComponent(traceId)}`, window), "trace")}` : "";
  const cells = [new Date(at).toISOString().slice(11, 19), severity, ...(named ? [plain(service, 100)] : [])];
  return `<tr class="level-${escaped(severity.toLowerCase())}">${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}<td>${escaped(plain(body, 2_000))}${trace}</td></tr>`;
}
