import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { userInfo } from "node:os";
import { applyEdits, type JSONPath, modify, type ParseError, parse, printParseErrorCode } from "jsonc-parser";
import { lock } from "proper-lockfile";
import writeFileAtomic from "write-file-atomic";
import type { Cohort, FlagState } from "../../actions/ports.ts";
import { TargetError } from "../../actions/ports.ts";

/** One flag as flagd's schema has it (https://flagd.dev/schema/v0/flags.json); unknown keys are kept as they are. */
export interface FlagDefinition {
  readonly state: "ENABLED" | "DISABLED";
  readonly variants: Readonly<Record<string, unknown>>;
  readonly defaultVariant: string;
  readonly targeting?: unknown;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface FlagDocument {
  readonly text: string;
  readonly flags: Readonly<Record<string, FlagDefinition>>;
}

/** Names by which a boolean flag's variants go; the first that a flag has is used. */
const OFF_NAMES = ["off", "false", "control", "old"];

function offVariant(flag: FlagDefinition): string {
  const named = OFF_NAMES.find((name) => name in flag.variants);
  return named ?? Object.keys(flag.variants).find((name) => flag.variants[name] === false) ?? flag.defaultVariant;
}

function onVariant(flag: FlagDefinition): string {
  const off = offVariant(flag);
  return Object.keys(flag.variants).find((name) => name !== off) ?? flag.defaultVariant;
}

/**
 * Reads a flagd file.
 *
 * @throws TargetError naming the file, the line and the remedy when it is missing or not a flag file.
 */
export async function readFlagFile(file: string): Promise<FlagDocument> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new TargetError(`The flag file ${file} cannot be read (${(error as Error).message}); check flags.file.`, {
      outcomeUnknown: false,
      cause: error,
    });
  }
  const errors: ParseError[] = [];
  const value = parse(text, errors, { allowTrailingComma: false }) as { flags?: Record<string, FlagDefinition> } | undefined;
  const [first] = errors;
  if (first) {
    const line = text.slice(0, first.offset).split("\n").length;
    throw new TargetError(
      `The flag file ${file} is not valid JSON at line ${line}: ${printParseErrorCode(first.error)}. Correct it; nothing was changed.`,
      {
        outcomeUnknown: false,
      },
    );
  }
  if (typeof value?.flags !== "object" || value.flags === null) {
    throw new TargetError(`The flag file ${file} has no "flags" object; it must be in flagd's format. Nothing was changed.`, {
      outcomeUnknown: false,
    });
  }
  return { text, flags: value.flags };
}

interface Shape {
  readonly percent: number;
  readonly pinnedOff: readonly Cohort[];
}

/** Reads share and pins out of a targeting rule of the forms that `targetingFor` writes; null for any other rule. */
export function shapeOf(flag: FlagDefinition): Shape | null {
  const on = onVariant(flag);
  const rule = flag.targeting as Record<string, unknown> | undefined;
  if (!rule || Object.keys(rule).length === 0) return { percent: flag.defaultVariant === on ? 100 : 0, pinnedOff: [] };
  if (Array.isArray(rule.fractional)) {
    const pairs = rule.fractional.filter((part): part is [string, number?] => Array.isArray(part));
    const total = pairs.reduce((sum, [, weight]) => sum + (weight ?? 1), 0);
    const share = pairs.filter(([name]) => name === on).reduce((sum, [, weight]) => sum + (weight ?? 1), 0);
    return total > 0 ? { percent: (100 * share) / total, pinnedOff: [] } : null;
  }
  if (Array.isArray(rule.if) && rule.if.length === 3) {
    const [condition, pinned, rest] = rule.if as [Record<string, unknown>, unknown, unknown];
    const equal = condition?.["=="];
    const cohort = Array.isArray(equal) ? (equal[1] as unknown) : null;
    const onCohort = Array.isArray(equal) && (equal[0] as { var?: string })?.var === "cohort";
    if (onCohort && (cohort === "test" || cohort === "live") && pinned === offVariant(flag)) {
      const inner =
        typeof rest === "string" ? { percent: rest === on ? 100 : 0, pinnedOff: [] } : shapeOf({ ...flag, targeting: rest });
      return inner && { percent: inner.percent, pinnedOff: [...inner.pinnedOff, cohort] };
    }
  }
  return null;
}

/** The targeting rule for a share and pins: `fractional`, inside an `if` on the evaluation context's `cohort` for each pin. */
export function targetingFor(flag: FlagDefinition, shape: Shape): unknown {
  const on = onVariant(flag);
  const off = offVariant(flag);
  // flagd's weights are whole numbers.
  const scale = Number.isInteger(shape.percent) ? 1 : 100;
  const share = Math.round(shape.percent * scale);
  let rule: unknown = {
    fractional: [
      [on, share],
      [off, 100 * scale - share],
    ],
  };
  for (const cohort of shape.pinnedOff.toReversed()) rule = { if: [{ "==": [{ var: "cohort" }, cohort] }, off, rule] };
  return rule;
}

/** Behaviour only: who changed it last and why is not part of it. */
export function fingerprintOf(flag: FlagDefinition): string {
  const { metadata: _, ...behaviour } = flag;
  return createHash("sha256").update(JSON.stringify(behaviour)).digest("hex").slice(0, 16);
}

export function stateOf(key: string, flag: FlagDefinition): FlagState {
  const shape = shapeOf(flag);
  const services = flag.metadata?.services;
  return {
    key,
    description: typeof flag.metadata?.description === "string" ? flag.metadata.description : "",
    enabled: flag.state === "ENABLED",
    // A rule of another form is somebody's own; it counts as fully on, so that risk is never underrated.
    percent: shape?.percent ?? 100,
    pinnedOff: shape?.pinnedOff ?? [],
    services:
      typeof services === "string"
        ? services
            .split(",")
            .map((name) => name.trim())
            .filter(Boolean)
        : [],
    fingerprint: fingerprintOf(flag),
  };
}

export interface Edit {
  readonly path: JSONPath;
  /** `undefined` removes the key. */
  readonly value: unknown;
}

/** Changes a flag file under a lock and atomically, leaving everything else byte for byte as it was. */
export async function editFlagFile(file: string, edits: (document: FlagDocument) => readonly Edit[]): Promise<FlagDocument> {
  const release = await lock(file, { retries: { retries: 20, minTimeout: 25, maxTimeout: 250 }, stale: 10_000 }).catch(
    (error) => {
      throw new TargetError(`The flag file ${file} is locked by another writer: ${(error as Error).message}. Try again.`, {
        outcomeUnknown: false,
        cause: error,
      });
    },
  );
  try {
    const document = await readFlagFile(file);
    let text = document.text;
    for (const { path, value } of edits(document)) {
      text = applyEdits(text, modify(text, path, value, { formattingOptions: { insertSpaces: true, tabSize: 2 } }));
    }
    if (text !== document.text) await writeFileAtomic(file, text, { mode: (await stat(file)).mode & 0o777 });
    return await readFlagFile(file);
  } finally {
    await release();
  }
}

/** Who the file belongs to, for changes that do not say who made them. */
export async function ownerOf(file: string): Promise<string> {
  const { uid } = await stat(file);
  return uid === process.getuid?.() ? userInfo().username : `uid ${uid}`;
}
