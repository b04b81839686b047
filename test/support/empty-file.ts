import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A catalogue without services. */
export function emptyFile(folder: string): string {
  const file = join(folder, "empty.yaml");
  writeFileSync(file, "");
  return file;
}
