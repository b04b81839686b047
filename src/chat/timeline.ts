import { DAY, type EpochMs } from "../domain/time.ts";
import type { BacktestResult, KnownIncident } from "../flows/backtest/index.ts";

const WIDTH = 960;
const LEFT = 150;
const RIGHT = 20;
const TOP = 56;
const ROW = 22;
const DAILY = 60;
const MOST_ROWS = 30;
const INK = "#5b6878";
const POST = "#f08c4b";
const FORECAST = "#b07bd6";
const KNOWN = "#5b8def";

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[one] ?? one);

/**
 * What would have been posted, as SVG: a row for every service with its incidents as bars, forecasts as diamonds, known incidents as ground
 * behind them, and below the number of posts of each day. Times are UTC.
 */
export function timelineSvg({
  range,
  posts,
  forecasts,
  postsPerWeek,
  known,
}: BacktestResult & { readonly known: readonly KnownIncident[] }): string {
  const services = [...new Set(posts.flatMap(({ services: all }) => all))].slice(0, MOST_ROWS);
  const span = Math.max(1, range.to - range.from);
  const x = (at: EpochMs) => LEFT + ((Math.min(range.to, Math.max(range.from, at)) - range.from) / span) * (WIDTH - LEFT - RIGHT);
  const bottom = TOP + Math.max(1, services.length) * ROW + ROW;
  const height = bottom + DAILY + 40;
  const text = (at: number, y: number, words: string, more = "") =>
    `<text x="${at.toFixed(1)}" y="${y.toFixed(1)}" fill="${INK}" font-size="11" ${more}>${escaped(words)}</text>`;
  const parts: string[] = [
    text(
      12,
      22,
      `What Vigil would have posted: ${posts.length} investigations, ${forecasts.length} forecasts, ${postsPerWeek.toFixed(1)} a week`,
      'font-weight="600"',
    ),
    ...known.map(
      ({ from, to }) =>
        `<rect x="${x(from).toFixed(1)}" y="${TOP - 8}" width="${Math.max(2, x(to) - x(from)).toFixed(1)}" height="${bottom - TOP + 8}" fill="${KNOWN}" opacity="0.15"/>`,
    ),
  ];
  for (const [day, label] of daysOf(range.from, range.to)) {
    parts.push(
      `<line x1="${x(day).toFixed(1)}" x2="${x(day).toFixed(1)}" y1="${TOP - 8}" y2="${bottom + DAILY}" stroke="${INK}" opacity="0.15"/>`,
    );
    parts.push(text(x(day), bottom + DAILY + 18, label, 'text-anchor="middle"'));
  }
  services.forEach((service, row) => {
    const y = TOP + row * ROW;
    parts.push(text(LEFT - 10, y + 11, service.length > 22 ? `${service.slice(0, 21)}…` : service, 'text-anchor="end"'));
    for (const { services: all, startedAt, resolvedAt, title } of posts.filter((post) => post.services.includes(service))) {
      const [from, to] = [x(startedAt), x(resolvedAt ?? range.to)];
      parts.push(
        `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(3, to - from).toFixed(1)}" height="14" rx="2" fill="${POST}" opacity="${all[0] === service ? 0.95 : 0.4}"><title>${escaped(title)}</title></rect>`,
      );
    }
  });
  const forecastsAt = TOP + services.length * ROW + 7;
  if (forecasts.length > 0) parts.push(text(LEFT - 10, forecastsAt + 4, "runs full", 'text-anchor="end"'));
  for (const { at, text: words } of forecasts)
    parts.push(
      `<path d="M${x(at).toFixed(1)} ${forecastsAt - 6} l6 6 l-6 6 l-6 -6 z" fill="${FORECAST}"><title>${escaped(words)}</title></path>`,
    );
  const perDay = new Map<number, number>();
  for (const { at } of [...posts, ...forecasts]) perDay.set(Math.floor(at / DAY), (perDay.get(Math.floor(at / DAY)) ?? 0) + 1);
  const most = Math.max(1, ...perDay.values());
  parts.push(text(LEFT - 10, bottom + DAILY - 2, "posts a day", 'text-anchor="end"'));
  parts.push(text(LEFT - 10, bottom + 12, String(most), 'text-anchor="end"'));
  for (const [day, count] of perDay) {
    const tall = (count / most) * (DAILY - 8);
    const [from, to] = [x(day * DAY), x((day + 1) * DAY)];
    parts.push(
      `<rect x="${(from + 1).toFixed(1)}" y="${(bottom + DAILY - tall).toFixed(1)}" width="${Math.max(1, to - from - 2).toFixed(1)}" height="${tall.toFixed(1)}" fill="${POST}" opacity="0.6"/>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, 'DejaVu Sans', sans-serif"><rect width="100%" height="100%" fill="#ffffff"/>${parts.join("")}</svg>`;
}

/** Midnights, as many as labels find room. */
function daysOf(from: EpochMs, to: EpochMs): (readonly [EpochMs, string])[] {
  const every = Math.max(1, Math.ceil((to - from) / DAY / 12)) * DAY;
  const days: (readonly [EpochMs, string])[] = [];
  for (let day = Math.ceil(from / DAY) * DAY; day <= to; day += every) days.push([day, new Date(day).toISOString().slice(5, 10)]);
  return days;
}

/** The same as PNG. */
export async function timelinePng(result: Parameters<typeof timelineSvg>[0]): Promise<Buffer> {
  const { Resvg } = await import("@resvg/resvg-js");
  return new Resvg(timelineSvg(result), {
    fitTo: { mode: "width", value: 2 * WIDTH },
    font: { loadSystemFonts: true, defaultFontFamily: "DejaVu Sans" },
  })
    .render()
    .asPng();
}
