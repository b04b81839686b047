import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import type { CatalogEntry, CriticalityTier } from "../domain/service.ts";

const TIER = "vigil.dev/criticality-tier";
const word = z.union([z.string(), z.number()]).transform(String).catch("");

/** What is read of a Backstage entity; whatever has another shape counts as not said. */
const Entity = z.object({
  kind: z.enum(["Component", "Resource"]),
  metadata: z.object({ name: z.string().min(1), description: word, annotations: z.record(z.string(), z.unknown()).catch({}) }),
  spec: z.object({ owner: word, dependsOn: z.array(z.string()).catch([]) }).catch({ owner: "", dependsOn: [] }),
});

/** `component:default/catalog`, `group:web` without kind and namespace. */
const nameOf = (reference: string): string => reference.replace(/^[a-z]+:/i, "").replace(/^[^/]+\//, "");

function tierOf(value: unknown): CriticalityTier | null {
  const tier = Number(value);
  return tier === 1 || tier === 2 || tier === 3 || tier === 4 ? tier : null;
}

/**
 * Reads a Backstage catalog file (several YAML documents). Components and resources become entries; the criticality tier, 1 to 4, is
 * taken from the annotation `vigil.dev/criticality-tier`.
 *
 * @throws with file and line when it is not YAML, and when the file cannot be read
 */
export async function readCatalog(file: string): Promise<CatalogEntry[]> {
  const documents = parseAllDocuments(await readFile(file, "utf8"), { prettyErrors: true });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document): CatalogEntry[] => {
    const [error] = document.errors;
    if (error) throw new Error(`${file}: ${error.message}`);
    const entity = Entity.safeParse(document.toJS({ maxAliasCount: 20 }));
    if (!entity.success) return [];
    const { metadata, spec } = entity.data;
    return [
      {
        name: metadata.name,
        description: metadata.description,
        owner: nameOf(spec.owner),
        tier: tierOf(metadata.annotations[TIER]),
        dependsOn: spec.dependsOn.map(nameOf),
      },
    ];
  });
}
