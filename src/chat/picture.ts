import { CustomChart, LineChart } from "echarts/charts";
import { GridComponent, MarkAreaComponent, MarkLineComponent, TitleComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { DAY } from "../domain/time.ts";
import type { AnomalyPicture } from "../flows/ports.ts";
import { clip, plain } from "./text.ts";

echarts.use([CustomChart, LineChart, GridComponent, MarkAreaComponent, MarkLineComponent, TitleComponent, SVGRenderer]);

const SIZE = { width: 720, height: 260 };
const INK = "#8b98a9";
const MARK = "#b07bd6";
const LIMIT = "#d9534f";
const FONT = "system-ui, 'DejaVu Sans', sans-serif";

/** Scales values to what people read: seconds to milliseconds, shares to per cent. */
function readable(unit: string): { readonly factor: number; readonly label: string } {
  if (unit === "s") return { factor: 1_000, label: "ms" };
  if (unit === "1") return { factor: 100, label: "%" };
  return { factor: 1, label: unit.replaceAll(/[{}]/g, "") };
}

/** Of a label's letters, in pixels at its size; and the plot's width. */
const LETTER = 5.4;
const PLOT = SIZE.width - 68;
const ROWS = 2;

/**
 * A line at each change, its name above the plot, names near the right edge to the left. Neighbours are written one above the other; where no row
 * has room the line stands without a name, which the card tells anyway.
 */
function marks({ changes, points, band }: AnomalyPicture) {
  const from = band[0]?.at ?? points[0]?.at ?? 0;
  const to = points.at(-1)?.at ?? from + 1;
  const taken: (readonly [left: number, right: number])[][] = Array.from({ length: ROWS }, () => []);
  return changes
    .filter(({ at }) => at >= from && at <= to)
    .sort((a, b) => a.at - b.at)
    .slice(-4)
    .map((change) => {
      const text = clip(plain(`${change.subject}: ${change.before} → ${change.after}`, 60), 44);
      const x = ((change.at - from) / (to - from)) * PLOT;
      const onLeft = x > PLOT / 2;
      const [left, right] = onLeft ? [x - text.length * LETTER, x] : [x, x + text.length * LETTER];
      const row = taken.findIndex((labels) => labels.every(([start, end]) => right < start || left > end));
      taken[row]?.push([left, right]);
      return { change, text, onLeft, row };
    })
    .map(({ change, text, onLeft, row }) => ({
      xAxis: change.at,
      label: {
        show: row >= 0,
        formatter: () => text,
        position: "end",
        rotate: 0,
        align: onLeft ? "right" : "left",
        offset: [0, -12 * Math.max(row, 0)],
        color: MARK,
        fontSize: 10,
        fontFamily: FONT,
      },
    }));
}

/** Times of a day, with the day where the plot is longer than that. */
const timeOf = (long: boolean) => (at: number) => {
  const iso = new Date(at).toISOString();
  return long ? `${iso.slice(5, 10)} ${iso.slice(11, 16)}` : iso.slice(11, 16);
};

/** A line across the plot that the series must not reach. */
const limitLine = ({ value, label }: NonNullable<AnomalyPicture["limit"]>, factor: number) => ({
  yAxis: value * factor,
  lineStyle: { color: LIMIT, type: "dashed", width: 1.5 },
  label: {
    formatter: () => clip(plain(label, 60), 44),
    position: "insideStartTop",
    color: LIMIT,
    fontSize: 10,
    fontFamily: FONT,
  },
});

/** The anomaly as SVG: the expected band, the series, the time in which it is off, and a marker at each change. Legible on dark and light. */
export function pictureSvg(picture: AnomalyPicture): string {
  const { factor, label } = readable(picture.unit);
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  const band = picture.band.map(({ at, lower, upper }) => [at, lower * factor, (upper - lower) * factor]);
  const last = picture.points.at(-1)?.at ?? picture.anomalyFrom;
  const { limit } = picture;
  const times = [...picture.points, ...picture.band].map(({ at }) => at);
  const long =
    times.reduce((most, at) => Math.max(most, at), last) - times.reduce((least, at) => Math.min(least, at), last) > DAY;
  chart.setOption({
    animation: false,
    backgroundColor: "transparent",
    textStyle: { fontFamily: FONT, color: INK },
    title: {
      text: `${picture.title} (${label})`,
      left: 8,
      top: 4,
      textStyle: { fontSize: 13, fontWeight: 600, color: INK, fontFamily: FONT },
    },
    grid: { left: 52, right: 16, top: 56, bottom: 28 },
    xAxis: {
      type: "time",
      axisLine: { lineStyle: { color: INK, opacity: 0.4 } },
      axisLabel: { color: INK, hideOverlap: true, formatter: timeOf(long) },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      scale: true,
      // Room for the line that is still to be reached.
      ...(limit ? { max: ({ max }: { max: number }) => Math.max(max, 1.04 * limit.value * factor) } : {}),
      axisLabel: { color: INK, showMaxLabel: !limit, formatter: (value: number) => Number(value.toPrecision(4)).toString() },
      splitLine: { lineStyle: { color: INK, opacity: 0.15 } },
    },
    series: [
      {
        type: "line",
        stack: "band",
        data: band.map(([at, lower]) => [at, lower]),
        lineStyle: { opacity: 0 },
        symbol: "none",
        silent: true,
      },
      {
        type: "line",
        stack: "band",
        data: band.map(([at, , height]) => [at, height]),
        lineStyle: { opacity: 0 },
        areaStyle: { color: "#5b8def", opacity: 0.2 },
        symbol: "none",
        silent: true,
      },
      {
        type: "line",
        data: picture.band.map(({ at, expected }) => [at, expected * factor]),
        lineStyle: { color: "#5b8def", width: 1, type: "dashed", opacity: 0.8 },
        symbol: "none",
        silent: true,
      },
      {
        type: "line",
        data: picture.points.map(({ at, value }) => [at, value * factor]),
        lineStyle: { color: "#f08c4b", width: 1.8 },
        symbol: "none",
        silent: true,
        markArea: {
          itemStyle: { color: "#f08c4b", opacity: 0.1 },
          data: [[{ xAxis: picture.anomalyFrom }, { xAxis: picture.anomalyTo ?? last }]],
        },
        markLine: {
          symbol: "none",
          lineStyle: { color: MARK, type: "solid", width: 1 },
          data: [...marks(picture), ...(limit ? [limitLine(limit, factor)] : [])],
        },
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** The same as PNG on a light ground, for platforms that show no SVG. Text needs one font of the system. */
export async function picturePng(picture: AnomalyPicture): Promise<Buffer> {
  const { Resvg } = await import("@resvg/resvg-js");
  const rendered = new Resvg(pictureSvg(picture), {
    background: "#ffffff",
    fitTo: { mode: "width", value: SIZE.width * 2 },
    font: { loadSystemFonts: true, defaultFontFamily: "DejaVu Sans" },
  }).render();
  return rendered.asPng();
}
