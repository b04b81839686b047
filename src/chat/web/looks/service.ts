import { type Comparison, compare } from "../../../agent/statistics/series.ts";
import { percent, quantity } from "../../../agent/words.ts";
import { lookAddress } from "../../../domain/look-address.ts";
import type { MetricPoint, RedSignal, Series, TimeRange } from "../../../domain/telemetry.ts";
import { DAY, HOUR, MINUTE, type Milliseconds } from "../../../domain/time.ts";
import { signalName, unitOf } from "../../../flows/signals.ts";
import { pictureSvg } from "../../picture.ts";
import { plain } from "../../text.ts";
import { escaped } from "../html.ts";
import type { Readable, View } from "./view.ts";
import { anchor, moves, windowOf, windowText } from "./window.ts";

const SIGNALS: readonly RedSignal[] = ["latency", "latency_p95", "errors", "rate"];
/** Points of a plot: as many as can be told apart. */
const POINTS = 240;
const MOST_METRICS = 40;

/** What a plot shows: a signal, or any other metric by its name. */
type Measure = { readonly signal: RedSignal } | { readonly metric: string };

interface Row extends Comparison {
  readonly measure: Measure;
  readonly unit: string;
}

const isSignal = (text: string | null): text is RedSignal => SIGNALS.some((signal) => signal === text);

const measureOf = (query: URLSearchParams): Measure | null => {
  const [signal, metric] = [query.get("signal"), query.get("metric")];
  return isSignal(signal) ? { signal } : metric ? { metric } : null;
};

/** The window with as much before it, from an hour to a day, so that one sees what moved. */
function drawnOf({ from, to }: TimeRange): TimeRange {
  return { from: from - Math.min(Math.max(to - from, HOUR), DAY), to };
}

const stepOf = ({ from, to }: TimeRange): Milliseconds => Math.max(1, Math.ceil((to - from) / POINTS / MINUTE)) * MINUTE;

async function course(read: Readable, service: string, measure: Measure, window: TimeRange): Promise<Series | null> {
  const query = { service, ...window, step: stepOf(window) };
  if ("signal" in measure) {
    const series = await read.metrics.red({ ...query, signal: measure.signal });
    return { ...series, unit: series.unit || unitOf(measure.signal) };
  }
  const info = (await read.metrics.metrics(service)).find(({ metric }) => metric === measure.metric);
  if (!info) return null;
  const statistic = info.kind === "gauge" ? "avg" : info.kind === "sum" ? "rate" : "p95";
  const [series] = await read.metrics.query({ ...query, metric: info.metric, statistic });
  return series ? { ...series, unit: info.kind === "sum" && info.unit ? `${info.unit}/s` : info.unit } : null;
}

/** The plot of one series as SVG: the window shaded, and what changed meanwhile; null where the source has none. */
export async function servicePlot(read: Readable, service: string, query: URLSearchParams): Promise<string | null> {
  const measure = measureOf(query) ?? { signal: "latency" };
  const window = windowOf(query, read.now());
  const drawn = drawnOf(window);
  const series = await course(read, service, measure, drawn);
  if (!series || series.points.length === 0) return null;
  const title = `${plain(service, 60)} ${"signal" in measure ? signalName(measure.signal) : plain(measure.metric, 80)}`;
  return pictureSvg({
    title,
    alt: title,
    unit: series.unit,
    points: series.points,
    band: [],
    anomalyFrom: window.from,
    anomalyTo: window.to,
    changes: await read.changes.changes(drawn).catch(() => []),
  });
}

/** A service's signals during a window against the time before it, drawn and in numbers, and its other metrics in numbers. */
export async function serviceView(read: Readable, service: string, query: URLSearchParams): Promise<View | null> {
  const window = windowOf(query, read.now());
  const drawn = drawnOf(window);
  const asked = measureOf(query);
  const path = `/services/${encodeURIComponent(service)}`;
  const metrics = (await read.metrics.metrics(service).catch(() => []))
    .filter(({ kind }) => kind !== "histogram")
    .slice(0, MOST_METRICS);
  const measures: readonly Measure[] = [
    ...SIGNALS.map((signal) => ({ signal })),
    ...metrics.map(({ metric }) => ({ metric })),
    // Of a histogram that evidence is about.
    ...(asked && "metric" in asked && !metrics.some(({ metric }) => metric === asked.metric) ? [asked] : []),
  ];
  const courses = await Promise.allSettled(measures.map((measure) => course(read, service, measure, drawn)));
  const rows: readonly Row[] = measures.flatMap((measure, index) => {
    const settled = courses[index];
    const series = settled?.status === "fulfilled" ? settled.value : null;
    return series && series.points.length > 0 ? [{ measure, unit: series.unit, ...split(series.points, window) }] : [];
  });
  // One that fell silent may be gone from the list, and is what people want to look at.
  if (rows.length === 0 && !(await read.metrics.services()).includes(service)) return null;
  const failed = courses.find((one) => one.status === "rejected");
  const plotted = rows.filter(({ measure }) => "signal" in measure || same(measure, asked));
  plotted.sort((a, b) => Number(same(b.measure, asked)) - Number(same(a.measure, asked)));
  const plots = plotted.map(({ measure }) => {
    const name = nameOf(measure);
    const alt = `${plain(service, 60)} ${name}, ${windowText(drawn)}`;
    return `<img src="${escaped(lookAddress(`${path}/plot.svg`, window, { ...measure }))}" width="720" height="260" alt="${escaped(alt)}">`;
  });
  const what = {
    before: windowText({ from: drawn.from, to: window.from }),
    during: windowText(window),
  };
  return {
    heading: `${plain(service, 100)}, ${what.during}`,
    nav: [
      moves(window, read.now(), (moved) => lookAddress(path, moved, { ...asked })),
      anchor(lookAddress("/logs", window, { service }), "logs"),
      anchor(lookAddress("/traces", window, { service }), "traces"),
      anchor(lookAddress("/changes", drawn), "changes"),
    ].join(" · "),
    main: [
      failed ? `<p class="warning">Not all could be read: ${escaped(reason(failed.reason))}</p>` : "",
      rows.length === 0 ? `<p>It reported nothing from ${escaped(windowText(drawn))}.</p>` : "",
      `<section class="plots">${plots.join("")}</section>`,
      `<table class="numbers"><caption>${escaped(`Shaded, ${what.during}, against ${what.before}`)}</caption><thead><tr>${["measure", "mean", "before", "change", "most"].map((name) => `<th>${name}</th>`).join("")}</tr></thead><tbody>${rows
        .map((row) => numbersRow(row, "signal" in row.measure ? null : lookAddress(path, window, { ...row.measure })))
        .join("")}</tbody></table>`,
    ].join("\n"),
  };
}

/** `draw` leads to where it is drawn, for what is not drawn here. */
function numbersRow({ measure, unit, during, before, change }: Row, draw: string | null): string {
  const [is, was] = [during.count > 0, before.count > 0];
  const cells = [
    is ? quantity(during.mean, unit) : "no data",
    was ? quantity(before.mean, unit) : "no data",
    is && was ? percent(change) : "–",
    is ? quantity(during.max, unit) : "–",
  ];
  const name = draw ? anchor(draw, nameOf(measure)) : escaped(nameOf(measure));
  return `<tr><td>${name}</td>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`;
}

const nameOf = (measure: Measure): string => ("signal" in measure ? signalName(measure.signal) : plain(measure.metric, 120));

const same = (one: Measure, other: Measure | null): boolean => other !== null && JSON.stringify(one) === JSON.stringify(other);

const reason = (error: unknown): string => plain(error instanceof Error ? error.message : String(error), 300);

const split = (points: readonly MetricPoint[], { from }: TimeRange) =>
  compare(
    points.filter(({ at }) => at < from),
    points.filter(({ at }) => at >= from),
  );
