import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One temporary folder for the whole run: whatever a test leaves under `tmpdir()` goes with it when the run ends. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "vigil-tests-"));
  // A PostgreSQL that is started by root runs as another user, who must be able to pass through.
  chmodSync(folder, 0o711);
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
