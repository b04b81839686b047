import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import type { Card } from "../../src/chat/card.ts";
import type { Incident } from "../../src/domain/incident.ts";
import type { Investigation } from "../../src/domain/investigation.ts";
import { FINAL_STATES, type Proposal, type ProposalState } from "../../src/domain/proposal.ts";
import type { RunningVigil } from "./app.ts";

/** The channel without a browser: what a running Vigil stored and posted, and its buttons over the page's own requests. */
export class Channel {
  readonly #vigil: Pick<RunningVigil, "url" | "folder">;

  constructor(vigil: Pick<RunningVigil, "url" | "folder">) {
    this.#vigil = vigil;
  }

  investigations(): Investigation[] {
    return this.#rows<Investigation>("SELECT body FROM investigations ORDER BY started_at");
  }

  openIncidents(): Incident[] {
    return this.#rows<Incident>("SELECT body FROM incidents").filter(({ state }) => state !== "resolved");
  }

  proposals(): Proposal[] {
    return this.#rows<Proposal>(
      "SELECT json_set(body, '$.state', state, '$.outcome', outcome) AS body FROM proposals ORDER BY created_at",
    );
  }

  votes(): { user: string; verdict: string; via: string }[] {
    return this.#rows("SELECT json_object('user', user, 'verdict', verdict, 'via', via) AS body FROM feedback");
  }

  /** Newest card of a subject, for instance `proposal:PRO-1`. */
  card(subject: string): Card | null {
    return this.#rows<Card>("SELECT body FROM channel_messages WHERE id = ?", subject)[0] ?? null;
  }

  /** What a proposal came to, with all that its card says: for a failure to name. */
  told(proposalId: string): string {
    const proposal = this.proposals().find(({ id }) => id === proposalId);
    const { badge, title, body } = this.card(`proposal:${proposalId}`) ?? {};
    return `${proposalId} is ${proposal?.state}: ${proposal?.outcome}\nIts card: ${badge}, ${title}, ${JSON.stringify(body)}`;
  }

  /**
   * Waits for the end of a proposal, whatever it is, so that a wrong one fails at once and says why.
   *
   * @throws Error when it comes to an end that is not among `wanted`, or to none within `patience` milliseconds.
   */
  async ends(proposalId: string, wanted: readonly ProposalState[], patience = 240_000): Promise<void> {
    const state = () => this.proposals().find(({ id }) => id === proposalId)?.state;
    for (const late = Date.now() + patience; ; await sleep(300)) {
      const now = state();
      if (now && wanted.includes(now)) return;
      if (Date.now() > late || (now && FINAL_STATES.has(now)))
        throw new Error(
          `Not ${wanted.join(" or ")}${now && FINAL_STATES.has(now) ? "" : ` within ${patience / 1_000} s`}. ${this.told(proposalId)}`,
        );
    }
  }

  async approve(proposalId: string): Promise<void> {
    const button = this.card(`proposal:${proposalId}`)?.buttons.find(({ type }) => type === "approve");
    if (!button) throw new Error(`${proposalId} has no Approve button`);
    const { rev, nonce } = button;
    await this.#post("/api/decisions", { proposalId, rev, nonce, verdict: "approve", message: `proposal:${proposalId}` });
  }

  judge = (investigationId: string, verdict: string): Promise<void> => this.#post("/api/feedback", { investigationId, verdict });

  async #post(path: string, body: object): Promise<void> {
    const { url } = this.#vigil;
    const { token } = (await (await fetch(`${url}/api/session`)).json()) as { token: string };
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { origin: url, "x-vigil-token": token, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  }

  #rows<T>(query: string, ...values: string[]): T[] {
    const db = new Database(join(this.#vigil.folder, "vigil.db"), { readonly: true });
    try {
      return (db.prepare(query).all(...values) as { body: string }[]).map(({ body }) => JSON.parse(body) as T);
    } finally {
      db.close();
    }
  }
}
