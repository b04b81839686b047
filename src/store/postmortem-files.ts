import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { PostmortemFiles } from "../flows/forget.ts";
import { POSTMORTEMS } from "../flows/postmortem.ts";

/** Post-mortems that were handed in, in the folder of all state. */
export function postmortemFiles(stateFolder: string): PostmortemFiles {
  return {
    forget: async (ids) => {
      for (const id of ids) await rm(join(stateFolder, POSTMORTEMS, `PM-${id.replace(/[^\w.-]/g, "-")}.md`), { force: true });
    },
  };
}
