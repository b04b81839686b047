import { type SimpleGit, simpleGit } from "simple-git";
import { type EpochMs, type Milliseconds, SECOND } from "../../domain/time.ts";

/** How a remote repository is reached. */
export interface GitAccess {
  /** Beside the token, over https. */
  readonly username: string;
  readonly token: string | undefined;
  /** Without a word from git; then it is ended. */
  readonly timeout: Milliseconds;
}

const LOCAL: GitAccess = { username: "", token: undefined, timeout: 30 * SECOND };
/** What ssh needs to find its keys; no other variable of ours reaches git. */
const PASSED = ["SSH_AUTH_SOCK", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"];

/**
 * Git with an identity of its own, and dates in telemetry time, so that history lines up with what it caused. It never asks at a terminal.
 * A token goes by the environment: it is neither on a command line nor in the repository's configuration.
 *
 * @param author `Vigil <vigil@example.org>`
 */
export function gitAt(folder: string, author: string, at: EpochMs, access: GitAccess = LOCAL): SimpleGit {
  const [, name = "Vigil", mail = "vigil@localhost"] = /^(.*?)\s*<(.*)>$/.exec(author) ?? [];
  const date = new Date(at).toISOString();
  const { username, token, timeout } = access;
  const environment: Record<string, string> = {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_DATE: date,
    GIT_TERMINAL_PROMPT: "0",
    ...Object.fromEntries(PASSED.flatMap((key) => (process.env[key] ? [[key, process.env[key]]] : []))),
  };
  if (token) {
    environment.GIT_CONFIG_COUNT = "1";
    environment.GIT_CONFIG_KEY_0 = "http.extraHeader";
    environment.GIT_CONFIG_VALUE_0 = `Authorization: Basic ${Buffer.from(`${username}:${token}`).toString("base64")}`;
  }
  return simpleGit({
    // Hooks of the repository are switched off, so that nothing in it runs with our rights; these options exist for those who switch them on.
    unsafe: { allowUnsafeHooksPath: true, allowUnsafeConfigEnvCount: true },
    allowEnvironment: Object.keys(environment).filter((key) => key.startsWith("GIT_")),
    baseDir: folder,
    timeout: { block: timeout },
    config: [`user.name=${name}`, `user.email=${mail}`, "commit.gpgsign=false", "core.hooksPath=/dev/null"],
  }).env(environment);
}

/** What git said, without the address's credentials, on one line. */
export const gitSaid = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .replace(/\/\/[^@/\s]+@/g, "//")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 300);
