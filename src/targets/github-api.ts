import type { Milliseconds } from "../domain/time.ts";
import { JsonApi } from "./json-api.ts";

export interface GithubAccess {
  /** `https://api.github.com`, or `https://HOST/api/v3`. */
  readonly url: string;
  readonly token: string;
  readonly timeout?: Milliseconds;
}

/** The REST API of GitHub, https://docs.github.com/rest. `keys` are the configuration keys that messages name. */
export const githubApi = (
  { url, token, timeout }: GithubAccess,
  keys: { readonly url: string; readonly token: string },
): JsonApi =>
  new JsonApi({
    name: "GitHub",
    url,
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/vnd.github+json",
      "x-github-api-version": "2022-11-28",
      "user-agent": "vigil",
    },
    keys,
    ...(timeout === undefined ? {} : { timeout }),
  });
