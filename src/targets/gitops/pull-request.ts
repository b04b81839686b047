import { z } from "zod";
import { TargetError } from "../../actions/ports.ts";
import type { Milliseconds } from "../../domain/time.ts";
import { shaped } from "../answer-shape.ts";
import { githubApi } from "../github-api.ts";
import { ApiError, type JsonApi } from "../json-api.ts";

export interface PullRequest {
  readonly head: string;
  readonly base: string;
  readonly title: string;
  readonly body: string;
}

/** Takes a branch into another by a pull request. */
export interface PullRequests {
  /** One reading call, in a few words. */
  check(): Promise<string>;
  /** @throws TargetError with the request's address when a person has to merge it */
  merge(request: PullRequest): Promise<void>;
}

export interface GithubOptions {
  /** `https://api.github.com`, or `https://HOST/api/v3`. */
  readonly url: string;
  readonly token: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly timeout?: Milliseconds;
}

const SYSTEM = { name: "GitHub", key: "deploys.pullRequest.apiUrl" };
const repositorySchema = z.object({
  full_name: z.string(),
  permissions: z.object({ push: z.boolean().default(false) }).optional(),
});
const pullSchema = z.object({ number: z.number(), html_url: z.string() });

/** Pull requests on GitHub, https://docs.github.com/rest/pulls/pulls */
export class GithubPullRequests implements PullRequests {
  readonly #api: JsonApi;
  readonly #path: readonly string[];

  constructor({ url, token, repository, timeout }: GithubOptions) {
    this.#path = ["repos", ...repository.split("/")];
    this.#api = githubApi(
      { url, token, ...(timeout === undefined ? {} : { timeout }) },
      { url: SYSTEM.key, token: "deploys.pullRequest.token" },
    );
  }

  async check(): Promise<string> {
    const { full_name, permissions } = shaped(SYSTEM, repositorySchema, await this.#api.get(this.#path));
    if (permissions && !permissions.push) {
      throw new TargetError(
        `The token may not push to ${full_name}; give deploys.pullRequest.token write access to contents and pull requests.`,
        {
          outcomeUnknown: false,
        },
      );
    }
    return `GitHub ${full_name}`;
  }

  async merge(request: PullRequest): Promise<void> {
    const opened = await this.#api.write("POST", [...this.#path, "pulls"], { body: request });
    const { number, html_url } = shaped(SYSTEM, pullSchema, opened);
    try {
      await this.#api.write("PUT", [...this.#path, "pulls", String(number), "merge"], { body: { merge_method: "rebase" } });
    } catch (error) {
      const refusal = error instanceof ApiError && !error.outcomeUnknown;
      throw new TargetError(
        `The pull request ${html_url} is open, but Vigil could not merge it: ${(error as Error).message} Merge it there, or let Vigil's account do it.`,
        { outcomeUnknown: !refusal, cause: error },
      );
    }
  }
}
