import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { loadConfig } from "../config.ts";
import { collectPostmortem, draftPostmortem, POSTMORTEMS, threadTurns } from "../flows/postmortem.ts";
import { DocumentError, parseMarkdown } from "../knowledge/index.ts";
import { OperatorError } from "../operator-error.ts";
import { ConversationRepository } from "../store/conversations.ts";
import { ownerOnlyFolder } from "../store/database.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Writes a draft, or publishes an edited one. */
export async function postmortem(
  id: string | null,
  options: OutputOptions & { readonly out?: string; readonly publish?: string },
): Promise<void> {
  if (options.publish) return publish(resolve(options.publish), options);
  if (!id)
    throw new OperatorError("Name an investigation, for instance: vigil postmortem INV-7; or hand one in with --publish FILE.");
  const text = await withCore(loadConfig(), async (core, stores) => {
    const conversations = new ConversationRepository(stores.state);
    const facts = await collectPostmortem(
      {
        investigations: stores.investigations,
        feedback: stores.feedback,
        proposals: (investigationId) => core.actions.list({ investigationId }),
        turns: (investigationId) => threadTurns(stores.investigations, conversations, investigationId),
      },
      id,
    );
    return facts && draftPostmortem(facts);
  });
  if (!text) throw new OperatorError(`There is no investigation or incident ${id.slice(0, 40)}.`);
  const file = resolve(options.out ?? `PM-${id}.md`);
  if (existsSync(file))
    throw new OperatorError(`${file} exists already and may hold somebody's work; name another file with --out.`);
  writeFileSync(file, text);
  print(options, { file }, () => `Drafted ${file}. Edit it, set "status: final", then: vigil postmortem --publish ${file}`);
}

async function publish(file: string, options: OutputOptions): Promise<void> {
  if (!existsSync(file)) throw new OperatorError(`${file} does not exist.`);
  const document = parsed(file);
  if (document.metadata.status === "draft")
    throw new OperatorError(`${file} still says "status: draft". Read it once more, set "status: final", and hand it in again.`);
  const name = `${document.id.replace(/[^\w.-]/g, "-")}.md`;
  const config = loadConfig();
  const folder = ownerOnlyFolder(join(resolve(config.dataDir), POSTMORTEMS));
  copyFileSync(file, join(folder, name));
  const { problems } = await withCore(config, ({ knowledge }) => knowledge.ingestFolder(folder, { collection: POSTMORTEMS }));
  for (const problem of problems) process.stderr.write(`vigil: ${problem}\n`);
  print(options, { id: document.id, file: join(folder, name) }, () => `${document.id} can now be found as a past incident.`);
}

function parsed(file: string) {
  try {
    // The folder's name tells the kind where the front matter does not.
    return parseMarkdown(`${POSTMORTEMS}/${file.split("/").at(-1)}`, readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof DocumentError) throw new OperatorError(error.message);
    throw error;
  }
}
