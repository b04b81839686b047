import { open, readFile } from "node:fs/promises";
import { z } from "zod";
import type { Anchor, AnchorPlace } from "../../actions/anchor.ts";

const anchor = z.object({ seq: z.int().positive(), hash: z.string().regex(/^[0-9a-f]{64}$/), at: z.number() });

/** A file with one JSON line for each note; lines are only added, and are on the disk before `note` returns. */
export class AnchorFile implements AnchorPlace {
  readonly name: string;
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    this.name = `the file ${file}`;
  }

  async note(noted: Anchor): Promise<void> {
    const file = await open(this.#file, "a", 0o600);
    try {
      await file.appendFile(`${JSON.stringify(noted)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/**
 * Every anchor of a file, oldest first; none when there is no such file. A last line without its end was cut by a crash and is left out.
 *
 * @throws naming the line that is no anchor.
 */
export async function readAnchors(file: string): Promise<Anchor[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, index) => {
      try {
        return anchor.parse(JSON.parse(line));
      } catch {
        throw new Error(`line ${index + 1} of ${file} is no anchor; somebody edited it, or it is another file`);
      }
    });
}
