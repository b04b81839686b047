/**
 * How `diagnose` grows with the system: synthetic incidents of 10 to 2,000 services with one root cause each. Every size runs in a process of
 * its own: the case is written as a case folder, read back and ranked, as the command does. Run: npm run bench:rca-scale [-- SIZE…]
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { readCaseFolder } from "../../src/commands/case-folder.ts";
import { rankRootCauses } from "../../src/diagnosis/index.ts";
import type { DiagnosisInput, MetricTable, Span } from "../../src/diagnosis/types.ts";
import { syntheticCase } from "./rca-graph.ts";

const CASES = 20;
const SIZES = [10, 30, 100, 300, 1_000, 2_000];
const self = fileURLToPath(import.meta.url);
const [mode, ...rest] = process.argv.slice(2);

if (mode === "--time") await timeOne(rest[0] ?? "");
else if (mode === "--write") writeCase(syntheticCase(Number(rest[0]), 1).input, rest[1] ?? "");
else if (mode === "--accuracy") accuracy(Number(rest[0]));
else {
  const sizes = [mode, ...rest].flatMap((one) => (one === undefined ? [] : [Number(one)]));
  console.log(`services   read s   rank s   in all s   peak MB    AC@1   AC@3   (${CASES} cases; to stay under 2 s and 500 MB)`);
  for (const size of sizes.length > 0 ? sizes : SIZES) {
    const folder = mkdtempSync(join(tmpdir(), "rca-scale-"));
    try {
      child("--write", String(size), folder);
      const { read, rank, peak } = JSON.parse(child("--time", folder)) as { read: number; rank: number; peak: number };
      const { first, third } = JSON.parse(child("--accuracy", String(size))) as { first: number; third: number };
      const cells = [
        read.toFixed(2),
        rank.toFixed(2),
        (read + rank).toFixed(2),
        peak.toFixed(0),
        first.toFixed(2),
        third.toFixed(2),
      ];
      console.log(String(size).padStart(8) + cells.map((cell, at) => cell.padStart([9, 9, 11, 10, 8, 7][at] ?? 9)).join(""));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function child(...args: readonly string[]): string {
  return execFileSync(process.execPath, ["--import", "tsx", self, ...args], { encoding: "utf8" });
}

async function timeOne(folder: string): Promise<void> {
  const started = performance.now();
  const input = await readCaseFolder(folder);
  const between = performance.now();
  rankRootCauses(input);
  const done = performance.now();
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ read: (between - started) / 1000, rank: (done - between) / 1000, peak }));
}

function accuracy(size: number): void {
  let [first, third] = [0, 0];
  for (let seed = 1; seed <= CASES; seed++) {
    const { input, cause } = syntheticCase(size, seed);
    const place = rankRootCauses(input).findIndex(({ service }) => service === cause);
    if (place === 0) first++;
    if (place >= 0 && place < 3) third++;
  }
  console.log(JSON.stringify({ first: first / CASES, third: third / CASES }));
}

function writeCase({ symptom, before, during, graph, spans }: DiagnosisInput, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(folder, name), name.endsWith(".gz") ? gzipSync(text) : text);
  const { service, metric, at: time } = symptom;
  write("case.json", JSON.stringify({ symptom: { service, metric, time } }));
  write("graph.json", JSON.stringify({ edges: graph?.edges ?? [] }));
  if (before) write("before.csv.gz", csv(before));
  write("during.csv.gz", csv(during));
  write("before-traces-0.csv.gz", traceCsv(spans?.before ?? []));
  write("traces-0.csv.gz", traceCsv(spans?.during ?? []));
}

function csv({ times, columns }: MetricTable): string {
  const header = ["time", ...columns.map(({ service, metric }) => `${service}|${metric}`)].join(",");
  const rows = Array.from(times, (time, at) =>
    [time, ...columns.map(({ values }) => (values[at] ?? 0).toPrecision(6))].join(","),
  );
  return [header, ...rows].join("\n");
}

function traceCsv(spans: readonly Span[]): string {
  const rows = spans.map((one) =>
    [one.trace, one.id, one.parent ?? "", one.service, one.operation, one.start * 1e3, one.duration * 1e6].join(","),
  );
  return ["trace_id,span_id,parent_id,service,operation,start_ms,duration_us", ...rows].join("\n");
}
