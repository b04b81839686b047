import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { strToU8, zipSync } from "fflate";
import { z } from "zod";
import { COLOR_ICON, iconPng, OUTLINE_ICON } from "../chat/teams/icons.ts";
import { type PackageFacts, teamsManifest } from "../chat/teams/manifest.ts";
import { loadConfig } from "../config.ts";
import { OperatorError } from "../operator-error.ts";
import { type OutputOptions, print } from "./output.ts";

export interface TeamsPackageOptions extends OutputOptions {
  readonly out: string;
  readonly organisation: string;
  readonly website: string;
}

/** Writes the app package that Teams installs: the manifest and two icons. */
export async function teamsPackage(options: TeamsPackageOptions): Promise<void> {
  const { appId } = loadConfig().teams;
  if (!appId) throw new OperatorError("The package needs the bot's application id: set teams.appId or TEAMS_APP_ID.");
  const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../package.json"), "utf8")) as { version: string };
  const file = resolve(options.out);
  writeFileSync(file, await teamsZip({ appId, version, organisation: options.organisation, website: options.website }));
  print(
    options,
    { file, appId, version },
    () => `${file}\nUpload it in the Teams admin center, or in Teams under Apps, Manage your apps.`,
  );
}

/** The same bytes for the same facts. @throws OperatorError when Teams would refuse them */
export async function teamsZip(facts: PackageFacts): Promise<Uint8Array> {
  let manifest: object;
  try {
    manifest = teamsManifest(facts);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const faults = error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new OperatorError(`Teams would refuse this package: ${faults.join("; ")}.`);
  }
  const [color, outline] = await Promise.all([iconPng(COLOR_ICON), iconPng(OUTLINE_ICON)]);
  return zipSync(
    { "manifest.json": strToU8(`${JSON.stringify(manifest, null, 2)}\n`), "color.png": color, "outline.png": outline },
    { level: 9, mtime: new Date("2026-01-01T12:00:00Z") },
  );
}
