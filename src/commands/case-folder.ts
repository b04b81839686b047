import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import type { CallGraph, DiagnosisInput, LogLine, MetricColumn, MetricTable, Span, Symptom } from "../diagnosis/types.ts";
import { OperatorError } from "../operator-error.ts";

const unzip = promisify(gunzip);

const CaseSchema = z.object({
  symptom: z.object({
    service: z.string().nullish(),
    metric: z.string().nullish(),
    time: z.number(),
  }),
});
const GraphSchema = z.object({ edges: z.array(z.tuple([z.string(), z.string()])) });

/**
 * Reads what an investigator is given: `case.json` and `during.csv.gz` in the folder itself; `before.csv.gz`, `graph.json` and the
 * fault-free `before-logs-*.csv.gz` and `before-traces-*.csv.gz` there or two folders up; `logs-*.csv.gz` and `traces-*.csv.gz` where present.
 * Throws OperatorError naming the file, the row and column, and the remedy.
 */
export async function readCaseFolder(folder: string): Promise<DiagnosisInput> {
  const places = [folder, join(folder, "..", "..")];
  const own = await list(folder);
  if (own === null) throw new OperatorError(`There is no folder ${folder}. Name one that holds case.json and during.csv.gz.`);
  const symptom = await readSymptom(join(folder, "case.json"));
  const during = await readTable(join(folder, "during.csv.gz"));
  if (during === null) throw new OperatorError(`${join(folder, "during.csv.gz")} is missing. Put the incident's metrics there.`);
  const before = await firstOf(places, async (place) => readTable(join(place, "before.csv.gz")));
  const graph = await firstOf(places, async (place) => readGraph(join(place, "graph.json")));
  const [logs, spans] = [await readAll([folder], "logs", readLogs), await readAll([folder], "traces", readSpans)];
  const [logsBefore, spansBefore] = [
    await readAll(places, "before-logs", readLogs),
    await readAll(places, "before-traces", readSpans),
  ];
  return {
    symptom,
    before,
    during,
    graph,
    ...(logs.length > 0 ? { logs: { before: logsBefore, during: logs } } : {}),
    ...(spans.length > 0 ? { spans: { before: spansBefore, during: spans } } : {}),
  };
}

async function readSymptom(file: string): Promise<Symptom> {
  const { symptom } = await readJson(file, CaseSchema, '{"symptom": {"service": …, "metric": …, "time": unix seconds}}').then(
    (found) => {
      if (found === null) throw new OperatorError(`${file} is missing. It must hold the symptom and its time.`);
      return found;
    },
  );
  return { service: symptom.service ?? null, metric: symptom.metric ?? null, at: symptom.time };
}

const readGraph = (file: string): Promise<CallGraph | null> => readJson(file, GraphSchema, '{"edges": [[caller, callee], …]}');

async function readJson<T>(file: string, schema: z.ZodType<T>, shape: string): Promise<T | null> {
  const bytes = await read(file);
  if (bytes === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new OperatorError(`${file} is not JSON (${(error as Error).message}). Write ${shape}.`);
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new OperatorError(`${file}: ${issue?.path.join(".") || "the whole"}: ${issue?.message}. Write ${shape}.`);
}

async function readTable(file: string): Promise<MetricTable | null> {
  const rows = await readRows(file);
  if (rows === null) return null;
  const [header, ...body] = rows;
  if (header?.[0] !== "time")
    throw new OperatorError(
      `${file}, row 1: the first column is "${header?.[0] ?? ""}". Call it "time" (unix seconds), then service|metric.`,
    );
  const times = Float64Array.from(body, (row, index) => cell(file, index, "time", row[0], false));
  const columns = header.slice(1).map((name, index): MetricColumn => {
    const [service = "", metric = "", statistic] = name.split("|");
    if (service === "" || metric === "")
      throw new OperatorError(
        `${file}, row 1, column ${index + 2}: "${name}" is not service|metric or service|metric|statistic. Rename it.`,
      );
    return { service, metric, statistic: statistic ?? null, values: new Float64Array(body.length) };
  });
  // Row by row, and no closer look at plain numbers: a table may hold millions.
  for (const [line, row] of body.entries())
    for (const [index, { values }] of columns.entries()) {
      const text = row[index + 1];
      const value = text ? Number(text) : Number.NaN;
      values[line] = Number.isFinite(value) ? value : cell(file, line, header[index + 1] ?? "", text, true);
    }
  return { times, columns };
}

function cell(file: string, line: number, column: string, text: string | undefined, mayBeEmpty: boolean): number {
  if (mayBeEmpty && (text === undefined || text === "" || text.toLowerCase() === "nan")) return Number.NaN;
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  const remedy = mayBeEmpty ? "Write a number, or leave the cell empty for no sample." : "Write unix seconds.";
  throw new OperatorError(`${file}, row ${line + 2}, column "${column}": "${text ?? ""}" is not a number. ${remedy}`);
}

async function readLogs(file: string): Promise<LogLine[]> {
  return records(file, ["time_ms", "service", "trace_id", "message"], ([time, service = "", trace, message = ""], line) => ({
    at: cell(file, line, "time_ms", time, false) / 1000,
    service,
    message,
    trace: trace || undefined,
  }));
}

async function readSpans(file: string): Promise<Span[]> {
  const names = ["trace_id", "span_id", "parent_id", "service", "operation", "start_ms", "duration_us"];
  return records(file, names, ([trace = "", id = "", parent, service = "", operation = "", start, duration], line) => ({
    trace,
    id,
    parent: parent || null,
    service,
    operation,
    start: cell(file, line, "start_ms", start, false) / 1000,
    duration: cell(file, line, "duration_us", duration, false) / 1e6,
  }));
}

/** The records of a CSV file, their fields in the order asked for. */
async function records<T>(
  file: string,
  names: readonly string[],
  make: (fields: readonly (string | undefined)[], line: number) => T,
): Promise<T[]> {
  const [header, ...body] = (await readRows(file)) ?? [];
  const places = names.map((name) => header?.indexOf(name) ?? -1);
  const missing = names.filter((_, index) => places[index] === -1);
  if (missing.length > 0)
    throw new OperatorError(`${file}, row 1: no column ${missing.join(", ")}. The columns must be ${names.join(",")}.`);
  return body.map((row, line) =>
    make(
      places.map((place) => row[place]),
      line,
    ),
  );
}

async function readRows(file: string): Promise<string[][] | null> {
  const bytes = await read(file);
  if (bytes === null) return null;
  let text: string;
  try {
    text = (await unzip(bytes)).toString("utf8");
  } catch (error) {
    throw new OperatorError(`${file} cannot be unpacked (${(error as Error).message}). Compress it with gzip.`);
  }
  // Plain tables, the great majority, need no quoting rules and are split an order of magnitude faster.
  if (!text.includes('"')) return text.split(/\r?\n/).flatMap((line) => (line === "" ? [] : [line.split(",")]));
  try {
    return parse(text, { bom: true, skip_empty_lines: true, relax_column_count: true });
  } catch (error) {
    throw new OperatorError(
      `${file} is not CSV: ${(error as Error).message}. Quote fields that hold commas, quotes or line ends.`,
    );
  }
}

async function readAll<T>(folders: readonly string[], kind: string, make: (file: string) => Promise<T[]>): Promise<T[]> {
  for (const folder of folders) {
    const names = (await list(folder))
      ?.filter((name) => name.startsWith(`${kind}-`) && basename(name).endsWith(".csv.gz"))
      .sort();
    if (names === undefined || names.length === 0) continue;
    const parts: T[][] = [];
    for (const name of names) parts.push(await make(join(folder, name)));
    return parts.flat();
  }
  return [];
}

async function firstOf<T>(folders: readonly string[], make: (folder: string) => Promise<T | null>): Promise<T | null> {
  for (const folder of folders) {
    const found = await make(folder);
    if (found !== null) return found;
  }
  return null;
}

async function read(file: string): Promise<Buffer | null> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw new OperatorError(`${file} cannot be read (${error.code ?? error.message}). Check its permissions.`);
  });
}

const list = (folder: string): Promise<string[] | null> => readdir(folder).catch(() => null);
