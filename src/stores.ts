import { randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { Config } from "./config.ts";
import { OperatorError } from "./operator-error.ts";
import { ownerOnlyFolder } from "./store/database.ts";
import { FeedbackRepository } from "./store/feedback.ts";
import { Fence } from "./store/fence.ts";
import { InvestigationRepository } from "./store/investigations.ts";
import { RecordingRepository } from "./store/recordings.ts";
import { openStateDatabase, type StateDatabase } from "./store/state.ts";
import { openTelemetryStore, type TelemetryStore } from "./store/telemetry/index.ts";

/** The two database files of a state folder. */
export interface Stores {
  readonly folder: string;
  readonly state: StateDatabase;
  readonly telemetry: TelemetryStore;
  readonly investigations: InvestigationRepository;
  readonly feedback: FeedbackRepository;
  readonly recordings: RecordingRepository;
  /** This process among all on the state. */
  readonly holder: string;
  /** Tells this state folder from those of other replicas on the same PostgreSQL, also after a restart; null where the state is in the folder. */
  readonly replica: string | null;
  readonly fence: Fence;
}

export async function openStores(config: Config): Promise<Stores> {
  const folder = stateFolder(resolve(config.dataDir));
  const fence = new Fence();
  const state = await openState(config, folder, fence);
  const telemetry = await openTelemetryStore(join(folder, "telemetry.db"));
  return {
    folder,
    state,
    telemetry,
    investigations: new InvestigationRepository(state),
    feedback: new FeedbackRepository(state),
    recordings: new RecordingRepository(state),
    // A state file belongs to one process, which the folder's lock sees to; replicas on one PostgreSQL are told apart.
    holder: config.state.url ? `${hostname()}:${process.pid}:${randomBytes(4).toString("hex")}` : "local",
    replica: config.state.url ? replicaId(folder) : null,
    fence,
  };
}

export async function closeStores(stores: Stores): Promise<void> {
  stores.telemetry.close();
  await stores.state.destroy();
}

/** @throws OperatorError when the database is no database, or not there */
async function openState({ state: { url } }: Config, folder: string, fence: Fence): Promise<StateDatabase> {
  const file = join(folder, "vigil.db");
  try {
    return await openStateDatabase(url ?? file, fence);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    const said = url
      ? `${why}. Start that PostgreSQL, or correct state.url (VIGIL_STATE_URL).`
      : `The state in ${file} cannot be opened (${why}). Restore it from a copy, or set dataDir (VIGIL_DATA_DIR) to another folder.`;
    throw new OperatorError(said, { cause: error });
  }
}

/** @throws OperatorError when nothing can be kept there */
function stateFolder(path: string): string {
  try {
    ownerOnlyFolder(path);
    accessSync(path, constants.W_OK);
    return path;
  } catch (error) {
    throw new OperatorError(
      `The state folder ${path} cannot be made or written (${(error as Error).message}). Set dataDir (VIGIL_DATA_DIR) to a folder that this user may write.`,
    );
  }
}

/** Made once for a folder of state. */
function replicaId(folder: string): string {
  const file = join(folder, "replica.id");
  if (!existsSync(file)) writeFileSync(file, randomBytes(4).toString("hex"), { mode: 0o600, flag: "wx" });
  return readFileSync(file, "utf8").trim();
}
