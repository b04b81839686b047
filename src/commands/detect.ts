import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { parse } from "csv-parse/sync";
import { inferStep, type RecordedPoint, type ReplayedAnomaly, replay } from "../detection/index.ts";
import { OperatorError, type OutputOptions, print } from "./output.ts";

/** Setting for every recorded series: somebody who asks for the anomalies of a file wants to see about this many doubtful ones in a week. */
const FALSE_ALARMS_PER_WEEK = 1;

/** Below this many rows nothing can be said of what is normal. */
const FEWEST_ROWS = 2;

/**
 * Prints the anomalies of a CSV with the columns `timestamp,value` (names as given, order free, other columns ignored), gzipped or not.
 * A timestamp is ISO 8601 or `YYYY-MM-DD HH:MM:SS` (UTC unless it says otherwise) or Unix seconds or milliseconds. A value that is empty
 * or NaN is a step without data. The step is inferred; rows are put in time order. Each row is judged by the rows before it alone.
 *
 * JSON: `{"anomalies":[{"start","detected_at","end","score","kind","direction"}]}`, times in UTC as `2014-04-10T00:04:00Z`, `end` null
 * when the record ends first. Throws OperatorError for a file that cannot be read as that.
 */
export async function detect(file: string, options: OutputOptions): Promise<void> {
  const anomalies = findAnomalies(await readSeries(file)).map((anomaly) => ({
    start: isoSeconds(anomaly.startedAt),
    detected_at: isoSeconds(anomaly.detectedAt),
    end: anomaly.endedAt === null ? null : isoSeconds(anomaly.endedAt),
    score: Math.round(anomaly.score * 1_000) / 1_000,
    kind: anomaly.kind,
    direction: anomaly.direction,
  }));
  print(options, { anomalies }, () =>
    anomalies.length === 0
      ? "No anomalies."
      : anomalies
          .map(({ start, end, detected_at, kind, direction, score }) =>
            [`${start} – ${end ?? "still on"}`, `${kind} ${direction}`, `detected ${detected_at}`, `score ${score}`].join("   "),
          )
          .join("\n"),
  );
}

/** Anomalies of one recorded series with the settings of this command. */
export function findAnomalies(
  points: readonly RecordedPoint[],
  falseAlarmsPerWeek = FALSE_ALARMS_PER_WEEK,
): readonly ReplayedAnomaly[] {
  const step = inferStep(points);
  return step === null ? [] : replay(points, { step, kind: "gauge", falseAlarmsPerWeek });
}

/** Reads a recorded series into time order. */
export async function readSeries(file: string): Promise<readonly RecordedPoint[]> {
  const rows = rowsOf(file, await textOf(file));
  const header = rows[0];
  if (!header)
    throw new OperatorError(`${file} is empty: give a CSV with the header timestamp,value and a row for every sample.`);
  const names = header.map((name) => name.trim().toLowerCase());
  const time = names.indexOf("timestamp");
  const value = names.indexOf("value");
  if (time < 0 || value < 0)
    throw new OperatorError(
      `${file}, line 1: the header is "${header.join(",").slice(0, 80)}" but the columns timestamp and value are needed: rename or add them.`,
    );
  const points = rows.slice(1).map((row, index) => ({
    at: timeOf(row[time] ?? "", file, index + 2),
    value: sampleOf(row[value] ?? "", file, index + 2),
  }));
  if (points.length < FEWEST_ROWS)
    throw new OperatorError(
      `${file} has ${points.length === 0 ? "no rows" : "one row"} below its header: give a series of samples.`,
    );
  return points.sort((a, b) => a.at - b.at);
}

async function textOf(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw new OperatorError(`${file} does not exist: give the path of a CSV file.`);
    if (code === "EISDIR") throw new OperatorError(`${file} is a folder: give the path of a CSV file.`);
    throw new OperatorError(`${file} cannot be read (${code ?? error}): check its permissions.`);
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString("utf8");
  try {
    return (await promisify(gunzip)(bytes)).toString("utf8");
  } catch (error) {
    throw new OperatorError(`${file} is a broken gzip file (${(error as Error).message}): write it again.`);
  }
}

function rowsOf(file: string, text: string): string[][] {
  try {
    return parse(text, { bom: true, skip_empty_lines: true, relax_column_count: true, trim: true });
  } catch (error) {
    throw new OperatorError(`${file} is not a CSV: ${(error as Error).message}. Quote fields as RFC 4180 says.`);
  }
}

function timeOf(text: string, file: string, line: number): number {
  const number = text === "" ? Number.NaN : Number(text);
  // Unix seconds stay below 1e11 until the year 5138; milliseconds passed it in 1973.
  const at = Number.isFinite(number) ? (Math.abs(number) < 1e11 ? number * 1_000 : number) : Date.parse(asIso(text));
  if (Number.isNaN(at))
    throw new OperatorError(
      `${file}, line ${line}: the timestamp "${text}" is not a time: write 2014-04-10 00:04:00 or Unix seconds.`,
    );
  return Math.round(at);
}

/** `2014-04-10 00:04:00` without a zone is UTC. */
function asIso(text: string): string {
  const iso = text.replace(/^(\d{4}-\d{2}-\d{2}) /, "$1T");
  return /T.*(Z|[+-]\d{2}:?\d{2})$/i.test(iso) || !iso.includes("T") ? iso : `${iso}Z`;
}

const NO_VALUE = new Set(["", "nan", "null", "none", "na", "n/a"]);

function sampleOf(text: string, file: string, line: number): number | null {
  if (NO_VALUE.has(text.toLowerCase())) return null;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new OperatorError(
    `${file}, line ${line}: the value "${text}" is not a number: write a number, or leave it empty where there was no data.`,
  );
}

const isoSeconds = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, "Z");
