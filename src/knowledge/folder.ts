import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { join, relative, sep } from "node:path";

/** Bytes. */
const LARGEST_FILE = 1_000_000;
const READABLE = /\.(md|mdx|markdown|txt|rst)$/i;
const HIDDEN = /(^|[\\/])(\.|node_modules[\\/])/;

export interface FolderFile {
  /** Relative to the folder, with `/`. */
  readonly file: string;
  read(): Promise<string>;
}

/**
 * Markdown and text below a folder. What leads out of it by a link, is too large or is no text is left out, and `onProblem` is told
 * of each with the reason.
 *
 * @throws when the folder itself cannot be read
 */
export async function textFiles(folder: string, onProblem: (problem: string) => void): Promise<FolderFile[]> {
  const root = await realpath(folder);
  const found: FolderFile[] = [];
  for (const name of (await readdir(root, { recursive: true, encoding: "utf8" })).sort()) {
    if (!READABLE.test(name) || HIDDEN.test(name)) continue;
    const path = join(root, name);
    const real = await realpath(path).catch(() => null);
    if (real === null) {
      onProblem(`${name}: a link to nothing; left out.`);
      continue;
    }
    if (!real.startsWith(root + sep)) {
      onProblem(`${name}: leads out of the folder; left out.`);
      continue;
    }
    const about = await lstat(real);
    if (!about.isFile()) continue;
    if (about.size > LARGEST_FILE) {
      onProblem(`${name}: ${about.size} bytes, more than ${LARGEST_FILE}; left out. Split it, or keep it elsewhere.`);
      continue;
    }
    const file = relative(root, path).split(sep).join("/");
    found.push({ file, read: () => readFile(real, "utf8") });
  }
  return found;
}

/** True for what only calls itself text. */
export const isBinary = (text: string): boolean => text.slice(0, 8_192).includes("\0");
