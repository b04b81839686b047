import { join, resolve } from "node:path";
import type { Config } from "../config.ts";

/** Where heads of the trail are noted. */
export const anchorFile = (config: Config): string =>
  resolve(config.audit.anchorFile ?? join(config.dataDir, "audit-anchor.jsonl"));
