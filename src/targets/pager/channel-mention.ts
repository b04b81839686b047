import type { OnCallPerson, Page, Pager } from "../../domain/oncall.ts";

/** Names those on duty in the thread of the investigation, where a surface has no mentions of its own. */
export class ChannelMention implements Pager {
  readonly name = "the channel";
  readonly #tell: (investigationId: string | null, text: string) => Promise<void>;

  constructor(tell: (investigationId: string | null, text: string) => Promise<void>) {
    this.#tell = tell;
  }

  async page(page: Page, people: readonly OnCallPerson[]): Promise<string> {
    if (people.length === 0) throw new Error("nobody is known to be on call; set onCall.file or onCall.pagerDuty");
    const names = people.map(({ name }) => `**@${name}**`).join(" ");
    await this.#tell(page.investigationId, `${names} ${page.summary}: ${page.reason}.`);
    return "told";
  }

  /** The thread tells that it is over. */
  async resolve(): Promise<void> {}
}
