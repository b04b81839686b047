import { loadConfig } from "../config.ts";
import { forgetIncident, forgetUser } from "../flows/forget.ts";
import { OperatorError } from "../operator-error.ts";
import { postmortemFiles } from "../store/postmortem-files.ts";
import { PrivacyRepository } from "../store/privacy.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Forgets a person (`slack:U0123`) or an incident (`IN-3`, `INV-7`). */
export async function forget(target: string, options: OutputOptions): Promise<void> {
  const result = await withCore(loadConfig(), async ({ learning, knowledge }, stores) => {
    const deps = {
      privacy: new PrivacyRepository(stores.state),
      investigations: stores.investigations,
      learning,
      files: postmortemFiles(stores.folder),
    };
    await learning.publishTo(knowledge);
    return target.includes(":") ? forgetUser(deps, target) : forgetIncident(deps, target);
  });
  if (!result.ok) throw new OperatorError(result.reason);
  const { deleted, keptDecisions = 0, keptProposals = 0 } = result.forgotten;
  print(options, result.forgotten, () =>
    [
      `Forgot ${target}: ${
        Object.entries(deleted)
          .map(([what, count]) => `${count} ${what}`)
          .join(", ") || "nothing was stored"
      }.`,
      ...(keptDecisions > 0
        ? [`${keptDecisions} approvals and denials stay in the audit trail: who let what run in production must remain provable.`]
        : []),
      ...(keptProposals > 0 ? [`${keptProposals} proposals stay with their audit trail, for the same reason.`] : []),
      "What is on Slack or Teams is theirs to delete. A Vigil that runs meanwhile follows within half a minute.",
    ].join("\n"),
  );
}
