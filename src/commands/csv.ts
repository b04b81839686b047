import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { parse } from "csv-parse/sync";
import { OperatorError } from "../operator-error.ts";

/** The text of a file, unpacked when it is gzipped. */
export async function textOf(file: string): Promise<string> {
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

/** The records of a CSV, the header first. */
export function rowsOf(file: string, text: string): string[][] {
  try {
    return parse(text, { bom: true, skip_empty_lines: true, relax_column_count: true, trim: true });
  } catch (error) {
    throw new OperatorError(`${file} is not a CSV: ${(error as Error).message}. Quote fields as RFC 4180 says.`);
  }
}

/** Milliseconds since the epoch of ISO 8601, `YYYY-MM-DD HH:MM:SS` (UTC unless it says otherwise), Unix seconds or milliseconds. */
export function timeOf(text: string, file: string, line: number): number {
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

/** Null where there is no value. */
export function sampleOf(text: string, file: string, line: number): number | null {
  if (NO_VALUE.has(text.toLowerCase())) return null;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new OperatorError(
    `${file}, line ${line}: the value "${text}" is not a number: write a number, or leave it empty where there was no data.`,
  );
}
