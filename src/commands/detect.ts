import { inferStep, type RecordedPoint, type ReplayedAnomaly, replay } from "../detection/index.ts";
import { OperatorError } from "../operator-error.ts";
import { rowsOf, sampleOf, textOf, timeOf } from "./csv.ts";
import { type OutputOptions, print } from "./output.ts";

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

const isoSeconds = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, "Z");
