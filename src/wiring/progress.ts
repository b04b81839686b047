import type { PageState } from "../chat/web/index.ts";

/** What the page shows of the work that a start has to do; null when it is done. */
export interface Progress {
  current: PageState["progress"];
}
