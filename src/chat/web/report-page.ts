import { Router } from "express";
import { type Kpis, reportCsv, reportRows, rivalLine } from "../../flows/report.ts";
import { escaped, pageHtml, table } from "./html.ts";
import { PLOTS } from "./report-plots.ts";

const PERIODS: readonly { readonly days: number; readonly name: string }[] = [
  { days: 0, name: "all time" },
  { days: 7, name: "7 days" },
  { days: 30, name: "30 days" },
  { days: 90, name: "90 days" },
];

/**
 * The report as a page without scripts: figures and tables as HTML, plots as pictures of their own address, so that the page's strict
 * content security policy holds. The same figures as CSV and JSON.
 *
 * @param figures of the last `days`, 0 for all time
 */
export function reportPages(figures: (days: number) => Promise<Kpis>): Router {
  const router = Router();
  const asked = (query: unknown): number => {
    const days = Number(query ?? 0);
    return PERIODS.some((period) => period.days === days) ? days : 0;
  };
  router.get("/report", async (request, response) => {
    const days = asked(request.query.days);
    response
      .type("html")
      .set("cache-control", "no-store")
      .send(page(await figures(days), days));
  });
  router.get("/report.json", async (request, response) => void response.json(await figures(asked(request.query.days))));
  router.get("/report.csv", async (request, response) => {
    response
      .type("text/csv")
      .attachment("vigil-report.csv")
      .send(reportCsv(await figures(asked(request.query.days))));
  });
  router.get("/report/plots/:file", async (request, response) => {
    const plot = PLOTS[String(request.params.file).replace(/\.svg$/, "")];
    if (!plot) return void response.status(404).json({ error: "There is no such plot." });
    const svg = plot.draw(await figures(asked(request.query.days)));
    response.type("image/svg+xml").set("cache-control", "no-store").send(svg);
  });
  return router;
}

function page(figures: Kpis, days: number): string {
  const query = days === 0 ? "" : `?days=${days}`;
  const periods = PERIODS.map((period) =>
    period.days === days
      ? `<strong>${period.name}</strong>`
      : `<a href="/report${period.days === 0 ? "" : `?days=${period.days}`}">${period.name}</a>`,
  );
  const plots = Object.entries(PLOTS).map(
    ([name, { alt }]) => `<img src="/report/plots/${name}.svg${query}" width="560" height="300" alt="${escaped(alt(figures))}">`,
  );
  return pageHtml({
    title: "Vigil: report",
    heading: "What Vigil found, cost and saved",
    nav: `<a href="/">channel</a> · ${periods.join(" · ")} · <a href="/report.csv${query}">CSV</a> · <a href="/report.json${query}">JSON</a>`,
    main: `<section class="figures">${reportRows(figures)
      .map(({ name, value }) => `<div><span>${escaped(name)}</span><b>${escaped(value)}</b></div>`)
      .join("")}</section>
<section class="plots">${plots.join("")}</section>
<section>${table(
      "Published of such agents, and here",
      ["to beat", "here"],
      figures.rivals.map(rivalLine).map(({ article, ours }) => [article, ours]),
    )}
${table(
  "Most frequent causes",
  ["cause", "investigations"],
  figures.topCauses.map(({ cause, count }) => [cause, String(count)]),
)}
${table(
  "Actions",
  ["action", "proposed", "accepted", "verified", "rolled back", "otherwise"],
  figures.actionOutcomes.map(({ action, ...counts }) =>
    [action.replaceAll("_", " "), counts.proposed, counts.accepted, counts.verified, counts.rolledBack, counts.otherwise].map(
      String,
    ),
  ),
)}</section>`,
  });
}
