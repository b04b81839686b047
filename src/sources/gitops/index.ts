import type { ChangeEvent } from "../../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../../domain/time.ts";
import { gitAt } from "../../targets/gitops/git.ts";
import { DEFAULT_LAYOUT, folderOf, type Layout, serviceIn, versionIn } from "../../targets/gitops/layout.ts";
import { type ChangeWatcher, type Cursor, pollingWatcher } from "../change-watcher.ts";

/** Hash of the newest commit that was handed on. */
export type CommitCursor = string;

const FIRST_LOOK = 200;

/** Notices deploys in a git repository of versions: each commit that changes a version becomes a change event with author, before and after. */
export function watchRepository(options: {
  readonly folder: string;
  readonly environment: string;
  readonly layout?: Layout;
  /** Called before each look, for a clone: brings it up to date. */
  readonly refresh?: () => Promise<void>;
  readonly now: () => EpochMs;
  readonly every: Milliseconds;
  readonly cursor: Cursor<CommitCursor>;
  readonly sink: (changes: readonly ChangeEvent[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}): ChangeWatcher {
  const layout = options.layout ?? DEFAULT_LAYOUT;
  return pollingWatcher<CommitCursor>({
    ...options,
    look: async (seen) => {
      await options.refresh?.();
      const git = gitAt(options.folder, "Vigil <vigil@localhost>", options.now());
      const head = (await git.raw(["rev-parse", "HEAD"])).trim();
      if (head === seen) return null;
      // After a forced push the old head may be gone: then look back as on the first day; known events are dropped by their id.
      const known =
        seen !== null &&
        (await git.raw(["merge-base", "--is-ancestor", seen, head]).then(
          () => true,
          () => false,
        ));
      const range = known ? [`${seen}..${head}`] : ["-n", String(FIRST_LOOK), head];
      const log = await git.raw([
        "log",
        "--reverse",
        "--first-parent",
        "--format=%x1e%H%x1f%aI%x1f%an%x1f%s%x1f%(trailers:key=Vigil-Actor,valueonly,separator=%x20)",
        "--name-only",
        ...range,
        "--",
        folderOf(layout, options.environment),
      ]);
      const changes: ChangeEvent[] = [];
      for (const entry of log.split("\u001e").filter((text) => text.trim())) {
        const [head1 = "", ...files] = entry.split("\n").filter(Boolean);
        const [hash = "", date = "", author = "", subject = "", onBehalf = ""] = head1.split("\u001f");
        for (const file of files) {
          const service = serviceIn(layout, options.environment, file);
          if (service === null) continue;
          const version = async (commit: string) => {
            const text = await git.show([`${commit}:${file}`]).catch(() => null);
            return text === null ? null : (versionIn(text, layout.key) ?? "unknown");
          };
          const [before, after] = [await version(`${hash}^`), await version(hash)];
          if (before === after) continue;
          changes.push({
            id: `deploy:${service}:${hash}`,
            at: Date.parse(date),
            kind: "deploy",
            subject: service,
            services: [service],
            environment: options.environment,
            // A rollback is committed by Vigil; its trailer says who approved it.
            actor: onBehalf.trim() || author,
            before: before ?? "absent",
            after: after ?? "absent",
            summary: subject,
            reference: hash.slice(0, 12),
            source: "gitops",
          });
        }
      }
      return { changes, cursor: head };
    },
  });
}
