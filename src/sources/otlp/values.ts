import type { Labels } from "../../domain/telemetry.ts";
import { HOUR } from "../../domain/time.ts";
import type { Message } from "./protocol.ts";

/** A point, record or span that cannot be kept; the message says why. */
export class Rejected extends Error {
  override readonly name = "Rejected";
}

const LONGEST_NAME = 255;
const LONGEST_TEXT = 4_096;
const MOST_ATTRIBUTES = 64;
/** 2000-01-01 and 2100-01-01: outside it a clock or a unit is wrong. */
const EARLIEST = 946_684_800_000;
const LATEST = 4_102_444_800_000;

/** A body that is well-formed JSON or protobuf but not the message it should be. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}

/** A repeated message; absent is empty. Anything but a list makes the whole request malformed. */
export function list(value: unknown): readonly Message[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Malformed(`a list was expected where ${JSON.stringify(value)?.slice(0, 60)} stands`);
  const odd = value.find((item) => typeof item !== "object" || item === null);
  if (odd !== undefined) throw new Malformed(`a list holds ${JSON.stringify(odd)?.slice(0, 60)} where an object was expected`);
  return value as Message[];
}

export const child = (value: unknown): Message => (typeof value === "object" && value !== null ? (value as Message) : {});

/** A name that must be there. */
export function nameOf(value: unknown, what: string): string {
  if (typeof value !== "string" || value === "") throw new Rejected(`${what} is empty`);
  if (value.length > LONGEST_NAME) throw new Rejected(`${what} has ${value.length} characters, more than ${LONGEST_NAME}`);
  return value;
}

/**
 * Nanoseconds since the epoch, as number or decimal text, to milliseconds, exact to the microsecond (a double holds no more).
 *
 * @param latest no time may lie beyond it: one clock far ahead would make everything else look old
 */
export function timeOf(nanos: unknown, what: string, latest = LATEST): number {
  const ms = Math.round(Number(nanos) / 1e3) / 1e3;
  if (!Number.isFinite(ms) || ms < EARLIEST || ms > LATEST)
    throw new Rejected(`${what} is ${String(nanos)} ns, not a time between 2000 and 2100`);
  if (ms > latest)
    throw new Rejected(
      `${what} lies ${Math.round((ms - latest) / HOUR)} hours beyond what the clock allows; check the sender's clock`,
    );
  return ms;
}

export function numberOf(value: unknown, what: string): number {
  const number = typeof value === "number" || typeof value === "string" ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) throw new Rejected(`${what} is ${String(value)}, not a finite number`);
  return number;
}

export function countOf(value: unknown, what: string): number {
  const count = numberOf(value ?? 0, what);
  if (count < 0) throw new Rejected(`${what} is ${count}, less than zero`);
  return count;
}

/** An AnyValue as text: scalars as they read, lists and maps as JSON. */
export function textOf(value: unknown): string {
  const plain = plainOf(value);
  const text = typeof plain === "string" ? plain : JSON.stringify(plain);
  return (text ?? "").slice(0, LONGEST_TEXT);
}

function plainOf(value: unknown, depth = 0): unknown {
  const any = child(value);
  if (depth > 8) return "…";
  if (any.stringValue !== undefined) return String(any.stringValue);
  if (any.boolValue !== undefined) return Boolean(any.boolValue);
  if (any.intValue !== undefined) return Number(any.intValue);
  if (any.doubleValue !== undefined) return Number(any.doubleValue);
  if (any.arrayValue !== undefined) return list(child(any.arrayValue).values).map((item) => plainOf(item, depth + 1));
  if (any.kvlistValue !== undefined) {
    return Object.fromEntries(
      list(child(any.kvlistValue).values).map(({ key, value: inner }) => [String(key), plainOf(inner, depth + 1)]),
    );
  }
  return any.bytesValue === undefined ? "" : String(any.bytesValue);
}

export function labelsOf(attributes: unknown): Labels {
  const pairs = list(attributes);
  if (pairs.length > MOST_ATTRIBUTES) throw new Rejected(`${pairs.length} attributes, more than ${MOST_ATTRIBUTES}`);
  return Object.fromEntries(pairs.map(({ key, value }) => [nameOf(key, "an attribute's key"), textOf(value)]));
}

/** Ids come as base64 from protobuf and as hex in JSON; absent and all-zero ids are null. */
export function idOf(value: unknown, bytes: 8 | 16): string | null {
  if (typeof value !== "string" || value === "") return null;
  const hex = new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`).test(value)
    ? value.toLowerCase()
    : Buffer.from(value, "base64").toString("hex");
  if (hex.length !== bytes * 2) throw new Rejected(`an id of ${hex.length / 2} bytes where ${bytes} are needed`);
  return /^0+$/.test(hex) ? null : hex;
}
