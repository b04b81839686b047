import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { teamsSurface } from "../../src/chat/teams/index.ts";
import { TeamsConversationRepository } from "../../src/store/teams.ts";
import { silentLog, until } from "../support/fake-handlers.ts";
import { ANA, CHANNEL, TENANT } from "../support/fake-teams.ts";
import { startPlayground } from "../support/playground.ts";
import { slackDesk } from "../support/slack-desk.ts";
import { freePort } from "./app.ts";
import { installedChromium, openBrowser } from "./browser.ts";

const chromium = installedChromium();
const pictures = resolve(import.meta.dirname, "screenshots");

/**
 * Microsoft's own renderer of Teams' cards in a real browser, driving the real gate and executor. The Playground knows no user-specific views,
 * so that the approver presses for the buttons, as in any client that does not ask by itself. It needs no internet (its fonts fall back).
 */
describe.skipIf(!chromium)("the Microsoft 365 Agents Playground", { timeout: 120_000 }, () => {
  it("shows the incident in its channel, and takes it through a whole approval", async () => {
    mkdirSync(pictures, { recursive: true });
    const port = await freePort();
    let endpoint = () => "";
    const desk = await slackDesk({
      others: ({ store, db }) => {
        const surface = teamsSurface({
          appId: null,
          environment: "test",
          tenantId: TENANT,
          channel: CHANNEL,
          serviceUrl: `http://127.0.0.1:${port}/_connector`,
          serviceHosts: [`127.0.0.1:${port}`],
          host: "127.0.0.1",
          port: 0,
          mayApprove: async (id) => id === ANA.aadObjectId,
          store,
          conversations: new TeamsConversationRepository(db),
          pace: { gap: 0 },
          log: silentLog,
        });
        endpoint = () => surface.url;
        return [surface];
      },
      otherRules: { teams: { users: new Set([ANA.aadObjectId]) } },
    });
    const playground = await startPlayground(endpoint(), port);
    const browser = await openBrowser(chromium ?? "");
    try {
      const page = await browser.newPage({ viewport: { width: 1400, height: 1600 } });
      await page.goto(playground.url);
      const { proposal } = await desk.proposed();
      await page.getByText("Incidents", { exact: true }).click();
      await page.getByText("most likely because of the flag catalog-cache-v2-keys").waitFor();
      await page.getByText("AI generated").first().waitFor();
      await page.getByAltText(/^latency of storefront left its expected band/).waitFor();
      expect(await page.getByRole("button", { name: "Yes, approve" }).count()).toBe(0);

      await page.getByRole("button", { name: "Approver? Show the buttons" }).click();
      await page.getByRole("button", { name: "Approve…" }).click();
      await page.screenshot({ path: join(pictures, "teams-1-confirm.png") });
      await page.getByRole("button", { name: "Yes, approve" }).click();
      await until("the watch", async () => (await desk.state(proposal)) === "verifying");
      expect(desk.flags.writes).toHaveLength(1);
      await desk.passes(16);

      // The same card says so, and a new message, since edits do not notify.
      await page.getByText("✓ Verified").waitFor();
      await page.getByText("Was the hypothesis right, and did the action help?").waitFor();
      await page.screenshot({ path: join(pictures, "teams-2-verified.png") });
      expect(await page.getByRole("button", { name: "Approve…" }).count()).toBe(0);
      const approved = (await desk.audit()).filter(({ kind }) => kind === "approved");
      expect(approved.map(({ actor }) => actor)).toEqual([`teams:${ANA.aadObjectId}`]);
    } finally {
      await browser.close();
      await playground.stop();
      await desk.close();
    }
  });
});
