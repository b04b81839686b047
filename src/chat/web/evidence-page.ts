import { type Response, Router } from "express";
import { parseTime } from "../../agent/time-words.ts";
import type { Evidence, Investigation } from "../../domain/investigation.ts";
import { lookAddress } from "../../domain/look-address.ts";
import { HOUR } from "../../domain/time.ts";
import { type Audience, mayKnow } from "../../flows/ports.ts";
import { plain } from "../text.ts";
import { escaped, pageHtml, table } from "./html.ts";
import type { View } from "./looks/view.ts";
import { anchor } from "./looks/window.ts";

const MOST_FACTS = 500;

/**
 * One piece of evidence as a page of its own, so that an id in a card or a pager leads somewhere: what the tool said of it, and the data itself.
 * Whatever is not there, or is for others, is 404 with the same words.
 *
 * @param audience who reads this page
 * @param look what is at an address of this page now
 */
export function evidencePages(
  investigation: (id: string) => Promise<Pick<Investigation, "id" | "report" | "audience"> | null>,
  audience: Audience,
  look: (path: string, query: URLSearchParams) => Promise<View | null> = async () => null,
): Router {
  const router = Router();
  router.get("/evidence/:investigation/:id", async (request, response) => {
    const { investigation: about, id } = request.params;
    const found = /^INV-\d{1,9}$/.test(about) ? await investigation(about) : null;
    if (!found || !mayKnow(found.audience, audience))
      return missing(response, `There is no investigation ${about}, or it is not for this page.`);
    if (!found.report) return missing(response, `${found.id} has no report yet; its evidence shows here once it has.`);
    const evidence = found.report.evidence.find((one) => one.id === id);
    if (!evidence) return missing(response, `There is no evidence ${id} in ${found.id}.`);
    send(response, `${found.id}, ${evidence.id}`, plain(evidence.title, 300), await details(evidence, look));
  });
  return router;
}

const missing = (response: Response, why: string): void =>
  send(response.status(404), "not found", "Not found", `<p>${escaped(plain(why, 300))}</p>`);

const send = (response: Response, title: string, heading: string, main: string): void =>
  void response
    .type("html")
    .set("cache-control", "no-store")
    .send(pageHtml({ title: `Vigil: ${title}`, heading, nav: `<a href="/">channel</a> · ${escaped(title)}`, main }));

async function details(
  evidence: Evidence,
  look: (path: string, query: URLSearchParams) => Promise<View | null>,
): Promise<string> {
  const { tool, args, services, summary, facts, suspicious, at } = evidence;
  const about = [
    ["tool", tool],
    ["arguments", Object.keys(args).length > 0 ? JSON.stringify(args) : "none"],
    ["window", rangeOf(evidence)],
    ["looked at", utc(at)],
    ["services", services.join(", ") || "none"],
    ["suspicious", suspicious ? "yes" : "no"],
  ].map((cells) => cells.map((cell) => plain(cell, 2_000)));
  const known = Object.entries(facts).slice(0, MOST_FACTS);
  const warning = suspicious
    ? '<p class="warning">⚠ This text reads like an attempt to instruct the model; it was treated as data.</p>'
    : "";
  return `<section>${warning}<pre>${escaped(plain(summary, 20_000))}</pre></section>
${await seen(evidence, look)}
${servicesOf(evidence)}
<details><summary>How it was found, and every fact that a claim may quote</summary>${table("How it was found", ["what", "value"], about)}
${table(
  "Facts",
  ["name", "value"],
  known.map(([name, value]) => [plain(name, 200), plain(String(value), 1_000)]),
)}</details>`;
}

const MOST_SERVICES = 12;

/** Where to look further: each service that it is about, in the hour before it was found. */
function servicesOf({ services, at }: Evidence): string {
  if (services.length === 0) return "";
  const links = services
    .slice(0, MOST_SERVICES)
    .map((service) =>
      anchor(lookAddress(`/services/${encodeURIComponent(service)}`, { from: at - HOUR, to: at }), plain(service, 80)),
    );
  return `<p>The services it is about, then: ${links.join(" · ")}</p>`;
}

/** The data that it rests on, as it is kept now; nothing for evidence that rests on none. */
async function seen(
  { link, at }: Evidence,
  look: (path: string, query: URLSearchParams) => Promise<View | null>,
): Promise<string> {
  if (!link?.startsWith("/")) return "";
  const [path = "", text = ""] = link.split("?");
  const query = new URLSearchParams(text);
  if (!query.has("to")) query.set("to", String(at));
  try {
    const view = await look(path, query);
    return view
      ? `<section><h2>${escaped(view.heading)}</h2><nav>${view.nav}</nav>${view.main}</section>`
      : "<section><p>The data itself is no longer kept, or is not for this page.</p></section>";
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `<section><p class="warning">The data itself cannot be read now: ${escaped(plain(why, 300))}</p></section>`;
  }
}

const utc = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** The range that was looked at: as the tool resolved it, else as it was asked for, read at the time of asking. */
function rangeOf({ args, link, at }: Evidence): string {
  const resolved = new URLSearchParams(link?.startsWith("/") ? link.split("?")[1] : "");
  const moment = (key: "from" | "to"): number | null => {
    const known = Number(resolved.get(key) ?? Number.NaN);
    if (Number.isFinite(known)) return known;
    const asked = args[key];
    return typeof asked === "string" ? parseTime(asked, at) : null;
  };
  const [from, to] = [moment("from"), moment("to")].map((time) =>
    time !== null && Math.abs(time) <= 8.64e15 ? utc(time) : null,
  );
  if (!from && !to) return "not limited to one";
  return `${from ?? "the tool's own beginning"} to ${to ?? "the time of looking"}`;
}
