import { Router } from "express";
import { plain } from "../../text.ts";
import { escaped, pageHtml } from "../html.ts";
import { changesView } from "./changes.ts";
import { documentView } from "./document.ts";
import { logsView } from "./logs.ts";
import { servicePlot, serviceView } from "./service.ts";
import { tracesView, traceView } from "./traces.ts";
import type { Readable, View } from "./view.ts";

/** Addresses of looks, as tools put them on evidence. */
const LOOKS = /^\/(?:services|traces|documents)\/[^/]+$|^\/(?:logs|traces|changes)$/;

/**
 * What is at an address of this page, `/services/api?from=…`, or null where there is nothing. Rejects with `SourceError` when the backend that
 * keeps it does not answer.
 */
export async function viewAt(read: Readable, path: string, query: URLSearchParams): Promise<View | null> {
  if (!LOOKS.test(path)) return null;
  const [, kind, id] = path.split("/").map(decoded);
  if (kind === "services") return serviceView(read, id ?? "", query);
  if (kind === "documents") return documentView(read, id ?? "");
  if (kind === "traces") return id ? traceView(read, id, query) : tracesView(read, query);
  return kind === "logs" ? logsView(read, query) : changesView(read, query);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Pages on which people see what evidence rests on: the same data that the tools read, within the same window. */
export function lookPages(readable: () => Readable): Router {
  const router = Router();
  router.get("/services/:service/plot.svg", async (request, response) => {
    const svg = await servicePlot(readable(), request.params.service, queryOf(request.url)).catch(() => null);
    if (!svg) return void response.status(404).json({ error: "There is nothing to draw." });
    response.type("image/svg+xml").set("cache-control", "no-store").send(svg);
  });
  router.get(LOOKS, async (request, response) => {
    const view = await viewAt(readable(), request.path, queryOf(request.url));
    const { heading, nav, main } = view ?? {
      heading: "Not found",
      nav: escaped(plain(decoded(request.path), 200)),
      main: "<p>There is nothing of that name here, or it is no longer kept, or it is not for this page.</p>",
    };
    response
      .status(view ? 200 : 404)
      .type("html")
      .set("cache-control", "no-store")
      .send(pageHtml({ title: `Vigil: ${heading}`, heading, nav: `<a href="/">channel</a> · ${nav}`, main }));
  });
  return router;
}

const queryOf = (url: string): URLSearchParams => new URLSearchParams(url.split("?")[1] ?? "");
