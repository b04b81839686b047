import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Kpis, Reliability } from "../../flows/report.ts";
import { clip } from "../text.ts";

echarts.use([BarChart, LineChart, ScatterChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const FONT = "system-ui, 'DejaVu Sans', sans-serif";
const INK = "#8b98a9";
const COLOURS = { correct: "#3fa66b", partly: "#c9a227", incorrect: "#d1584f", noise: "#7d8794" } as const;
const SIZE = { width: 560, height: 300 };

type Option = Parameters<echarts.ECharts["setOption"]>[0];

function draw(title: string, option: Option): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  chart.setOption({
    animation: false,
    backgroundColor: "transparent",
    textStyle: { fontFamily: FONT, color: INK },
    title: { text: title, left: 8, top: 4, textStyle: { fontSize: 13, fontWeight: 600, color: INK, fontFamily: FONT } },
    grid: { left: 52, right: 20, top: 44, bottom: 56, containLabel: false },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const axis = { axisLabel: { color: INK, fontFamily: FONT }, splitLine: { lineStyle: { color: INK, opacity: 0.2 } } };
const named = (name: string) => ({
  name,
  nameLocation: "middle" as const,
  nameGap: 32,
  nameTextStyle: { color: INK, fontFamily: FONT },
});
const day = (at: number): string => new Date(at).toISOString().slice(5, 10);

/** Stated confidence of both claims against how often each was right; on the diagonal both agree. The larger the dot, the more reports. */
function reliabilityPlot({ reliability }: Kpis): string {
  const curves = [
    ["it is the cause", "#5b8def", reliability.cause],
    ["it is real", "#c9a227", reliability.real],
  ] as const;
  return draw("Confidence against what turned out right", {
    legend: { top: 4, right: 8, itemGap: 20, data: curves.map(([name]) => name), textStyle: { color: INK, fontFamily: FONT } },
    xAxis: { type: "value", min: 0, max: 1, ...axis, ...named("stated confidence") },
    yAxis: { type: "value", min: 0, max: 1, ...axis, ...named("share that was right") },
    series: [
      {
        type: "line",
        data: [
          [0, 0],
          [1, 1],
        ],
        symbol: "none",
        lineStyle: { color: INK, type: "dashed", width: 1 },
      },
      ...curves.map(([name, color, { bins }]) => ({
        name,
        type: "scatter" as const,
        data: bins.map(({ meanConfidence, meanCorrectness, claims }) => [meanConfidence, meanCorrectness, claims]),
        symbolSize: (value: number[]) => 8 + 4 * Math.sqrt(value[2] ?? 1),
        itemStyle: { color, opacity: 0.8 },
        label: {
          show: true,
          formatter: ({ value }: { value: unknown }) => String((value as number[])[2]),
          color: "#ffffff",
          fontSize: 10,
        },
      })),
    ],
  });
}

/** Text is measured without a browser here, so the names get room to spare. */
const legend = { bottom: 0, itemGap: 24, textStyle: { color: INK, fontFamily: FONT } };
const bar = { type: "bar" as const, barMaxWidth: 64 };

function weeksPlot({ weeks }: Kpis): string {
  return draw("Verdicts by week", {
    legend,
    xAxis: { type: "category", data: weeks.map(({ start }) => day(start)), ...axis },
    yAxis: { type: "value", minInterval: 1, ...axis },
    series: [
      ...(["correct", "partly", "incorrect", "noise"] as const).map((verdict) => ({
        name: verdict as string,
        ...bar,
        stack: "all",
        data: weeks.map(({ verdicts }) => verdicts[verdict]),
        itemStyle: { color: COLOURS[verdict] },
      })),
      {
        name: "no verdict",
        ...bar,
        stack: "all",
        data: weeks.map(
          ({ investigations, verdicts }) => investigations - Object.values(verdicts).reduce((sum, count) => sum + count, 0),
        ),
        itemStyle: { color: INK, opacity: 0.3 },
      },
    ],
  });
}

function causesPlot({ topCauses }: Kpis): string {
  const shown = topCauses.slice(0, 8).toReversed();
  return draw("Most frequent causes", {
    grid: { left: 190, right: 30, top: 44, bottom: 30 },
    xAxis: { type: "value", minInterval: 1, ...axis },
    yAxis: { type: "category", data: shown.map(({ cause }) => clip(cause, 28)), ...axis },
    series: [{ ...bar, barMaxWidth: 28, data: shown.map(({ count }) => count), itemStyle: { color: "#5b8def" } }],
  });
}

function actionsPlot({ actionOutcomes }: Kpis): string {
  return draw("Actions and how they ended", {
    legend,
    xAxis: { type: "category", data: actionOutcomes.map(({ action }) => action.replaceAll("_", " ")), ...axis },
    yAxis: { type: "value", minInterval: 1, ...axis },
    series: (
      [
        ["verified", "#3fa66b", ({ verified }) => verified],
        ["rolled back", "#d1584f", ({ rolledBack }) => rolledBack],
        ["otherwise", "#c9a227", ({ otherwise }) => otherwise],
        ["not accepted", INK, ({ proposed, accepted }) => proposed - accepted],
      ] as const satisfies readonly (readonly [string, string, (one: Kpis["actionOutcomes"][number]) => number])[]
    ).map(([name, color, pick]) => ({
      name,
      ...bar,
      stack: "all",
      data: actionOutcomes.map(pick),
      itemStyle: { color },
    })),
  });
}

const binsInWords = ({ bins }: Reliability): string =>
  bins
    .map((bin) => `stated ${bin.meanConfidence.toFixed(2)}, right ${bin.meanCorrectness.toFixed(2)} of ${bin.claims}`)
    .join("; ") || "nothing judged yet";

/** The plots of the report by name, each with what it shows in words. */
export const PLOTS: Readonly<
  Record<string, { readonly alt: (figures: Kpis) => string; readonly draw: (figures: Kpis) => string }>
> = {
  reliability: {
    alt: ({ reliability: { cause, real } }) =>
      `Reliability diagram. That it is the cause: ${binsInWords(cause)}. That it is real: ${binsInWords(real)}`,
    draw: reliabilityPlot,
  },
  weeks: { alt: ({ weeks }) => `Verdicts in ${weeks.length} weeks`, draw: weeksPlot },
  causes: {
    alt: ({ topCauses }) =>
      `Most frequent causes: ${
        topCauses
          .slice(0, 3)
          .map(({ cause }) => cause)
          .join(", ") || "none yet"
      }`,
    draw: causesPlot,
  },
  actions: { alt: ({ actionOutcomes }) => `Outcomes of ${actionOutcomes.length} kinds of action`, draw: actionsPlot },
};
