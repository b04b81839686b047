import { slackClient } from "./client.ts";

/** Reads who is in these user groups now. @throws when any of them cannot be read: then nobody can be told to be in or out */
export function userGroup(options: {
  readonly token: string;
  readonly groups: readonly string[];
  readonly apiUrl?: string | undefined;
}): () => Promise<ReadonlySet<string>> {
  const client = slackClient(options.token, options.apiUrl ? { slackApiUrl: options.apiUrl } : {});
  return async () => {
    const lists = await Promise.all(options.groups.map((usergroup) => client.usergroups.users.list({ usergroup })));
    return new Set(lists.flatMap(({ users = [] }) => users));
  };
}
