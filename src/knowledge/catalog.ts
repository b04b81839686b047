import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import type { CatalogEntry, CriticalityTier } from "../domain/service.ts";

interface BackstageEntity {
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly description?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly owner?: string; readonly dependsOn?: readonly string[] };
}

const TIER = "vigil.dev/criticality-tier";

/**
 * Reads a Backstage catalog file (several YAML documents). Components and resources become entries; the criticality tier, 1 to 4, is
 * taken from the annotation `vigil.dev/criticality-tier`.
 *
 * @throws with file and line when it is not YAML
 */
export async function readCatalog(file: string): Promise<CatalogEntry[]> {
  const documents = parseAllDocuments(await readFile(file, "utf8"), { prettyErrors: true });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`${file}: ${error.message}`);
    const entity = document.toJS() as BackstageEntity | null;
    const name = entity?.metadata?.name;
    if (!entity || !name || !["Component", "Resource"].includes(entity.kind ?? "")) return [];
    const tier = Number(entity.metadata?.annotations?.[TIER]);
    return [
      {
        name,
        description: entity.metadata?.description ?? "",
        owner: (entity.spec?.owner ?? "").replace(/^(group|user):(default\/)?/, ""),
        tier: tier >= 1 && tier <= 4 ? (Math.round(tier) as CriticalityTier) : null,
        dependsOn: (entity.spec?.dependsOn ?? []).map((reference) => reference.replace(/^[a-z]+:(?:[^/]+\/)?/, "")),
      },
    ];
  });
}
