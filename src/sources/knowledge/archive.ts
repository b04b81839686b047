import { lstat, readdir, readFile } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { unzipSync } from "fflate";
import { SourceError } from "../../domain/telemetry.ts";

export interface ExportedFile {
  /** With `/`. */
  readonly file: string;
  read(): Promise<string>;
}

/** Bytes. A page of text is never larger; an archive that unpacks to more is not one. */
const LARGEST_FILE = 4_000_000;
const LARGEST_ARCHIVE = 1_000_000_000;
const MOST_UNPACKED = 500_000_000;
const MOST_FILES = 50_000;

/**
 * Files of an export, which is a zip, the folder that it was unpacked to, or one file. A zip within the zip, as Notion makes them, is opened too.
 *
 * @param wanted by name; nothing else is unpacked
 * @throws SourceError when it is neither, or far too large
 */
export async function exportedFiles(path: string, wanted: RegExp): Promise<readonly ExportedFile[]> {
  const about = await lstat(path).catch((error) => {
    throw new SourceError(
      `The export ${path} cannot be read (${(error as Error).message}); check its path under knowledge.sources.`,
    );
  });
  if (about.isDirectory()) return folderFiles(path, wanted);
  if (wanted.test(path) && about.size <= LARGEST_FILE) return [{ file: basename(path), read: () => readFile(path, "utf8") }];
  if (about.size > LARGEST_ARCHIVE)
    throw new SourceError(`${path} has ${about.size} bytes; unpack it and name the folder instead.`);
  return zipFiles(await readFile(path), path, wanted, { left: MOST_UNPACKED });
}

async function folderFiles(root: string, wanted: RegExp): Promise<readonly ExportedFile[]> {
  const names = (await readdir(root, { recursive: true, encoding: "utf8" })).filter((name) => wanted.test(name)).sort();
  const found: ExportedFile[] = [];
  for (const name of names.slice(0, MOST_FILES)) {
    const path = join(root, name);
    // A link may lead anywhere.
    const about = await lstat(path);
    if (!about.isFile() || about.size > LARGEST_FILE) continue;
    found.push({ file: relative(root, path).split(sep).join("/"), read: () => readFile(path, "utf8") });
  }
  return found;
}

function zipFiles(bytes: Uint8Array, name: string, wanted: RegExp, budget: { left: number }): readonly ExportedFile[] {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      filter: ({ name: entry, originalSize }) => {
        const inner = /\.zip$/i.test(entry);
        if (!inner && (!wanted.test(entry) || originalSize > LARGEST_FILE)) return false;
        budget.left -= originalSize;
        if (budget.left < 0) throw new SourceError(`${name} unpacks to more than ${MOST_UNPACKED / 1e6} MB; it was not read.`);
        return true;
      },
    });
  } catch (error) {
    if (error instanceof SourceError) throw error;
    throw new SourceError(`${name} is not a zip that can be read (${(error as Error).message}); export it again, or unpack it.`);
  }
  return Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([file, content]): readonly ExportedFile[] => {
      if (/\.zip$/i.test(file)) return zipFiles(content, `${name}/${file}`, wanted, budget);
      const text = () => new TextDecoder().decode(content);
      return [{ file, read: async () => text() }];
    })
    .slice(0, MOST_FILES);
}
