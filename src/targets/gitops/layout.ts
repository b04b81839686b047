import { isScalar, parseDocument } from "yaml";

/** Where a repository keeps versions. */
export interface Layout {
  /** Path of a service's file with `{service}` and, where there is one, `{environment}`. */
  readonly file: string;
  /** Where its version is in that file, with dots; a number is a place in a list: `spec.containers.0.image`. */
  readonly key: string;
}

export const DEFAULT_LAYOUT: Layout = { file: "environments/{environment}/{service}.yaml", key: "version" };

const SERVICE = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}";

export const isServiceName = (name: string): boolean => new RegExp(`^${SERVICE}$`).test(name);

export const fileOf = ({ file }: Layout, environment: string, service: string): string =>
  file.replaceAll("{environment}", environment).replaceAll("{service}", service);

/** The service that a path belongs to, or null. */
export function serviceIn(layout: Layout, environment: string, path: string): string | null {
  const [first = "", ...rest] = fileOf(layout, environment, "\0").split("\0").map(escaped);
  const pattern = rest.map((part, index) => (index === 0 ? `(${SERVICE})` : "\\1") + part).join("");
  return new RegExp(`^${first}${pattern}$`).exec(path)?.[1] ?? null;
}

/** The part of the path before any service's name: what is searched for changes. */
export const folderOf = (layout: Layout, environment: string): string =>
  fileOf(layout, environment, "\0")
    .split("\0")[0]
    ?.replace(/[^/]*$/, "") || ".";

/** The version in a file's text: the value at the key, or its tag when it is an image. Null when there is none. */
export function versionIn(text: string, key: string): string | null {
  const value = valueAt(text, key);
  return value === null ? null : (imageParts(value)?.tag ?? value);
}

/**
 * The text with another version, everything else as it was. An `image` beside the key that bears the same version as its tag moves with it.
 * Null when there is no such key.
 */
export function withVersion(text: string, key: string, version: string): string | null {
  const document = parseDocument(text);
  const path = pathOf(key);
  const before = valueAt(text, key);
  if (before === null) return null;
  const image = imageParts(before);
  const node = document.getIn(path, true);
  const value = image ? `${image.name}:${version}` : version;
  if (isScalar(node)) node.value = value;
  else document.setIn(path, value);
  const beside = [...path.slice(0, -1), "image"];
  const other: unknown = document.getIn(beside);
  if (typeof other === "string" && other.endsWith(`:${before}`)) {
    document.setIn(beside, other.slice(0, -before.length) + version);
  }
  return document.toString();
}

function valueAt(text: string, key: string): string | null {
  const document = parseDocument(text);
  if (document.errors.length > 0) return null;
  const value: unknown = document.getIn(pathOf(key));
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}

const pathOf = (key: string): (string | number)[] => key.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));

/** `registry:5000/team/shop:1.4.1` in name and tag; null for what is no image with a tag. */
function imageParts(value: string): { readonly name: string; readonly tag: string } | null {
  const [, name = "", tag = ""] = /^([\w.-]+(?::\d+)?\/.*|[\w./-]+):([\w][\w.-]*)$/.exec(value) ?? [];
  return name && tag ? { name, tag } : null;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
