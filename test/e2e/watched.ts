import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import { expect, type TestContext } from "vitest";
import { type RunningVigil, showLogOfFailure, startVigil } from "./app.ts";
import { openBrowser } from "./browser.ts";
import { Channel } from "./channel.ts";
import { HISTORY_DAYS, loadedDemo } from "./loaded-demo.ts";

const pictures = resolve(import.meta.dirname, "screenshots");
const ENVIRONMENT = { VIGIL_DEMO_HISTORY_DAYS: String(HISTORY_DAYS) };

/** A Vigil of its own in a folder of its own, seen in a browser, and its demo. */
export interface Watched {
  readonly vigil: RunningVigil;
  readonly folder: string;
  readonly page: Page;
  readonly channel: Channel;
  photograph(name: string): Promise<void>;
  /** Share of the demo's harmful flag as its file says it, in per cent. */
  shareOfTheFlag(): number | undefined;
  /** Waits until a proposal of which `summary` is true is on the page, and names it; those of `known` do not count. */
  proposed(summary: RegExp, known?: readonly string[]): Promise<string>;
  proposalCard(id: string): ReturnType<Page["getByTestId"]>;
  /** Presses a card's Approve and confirms it. */
  approve(id: string): Promise<void>;
  /** Waits until a proposal is verified and its card on the page says so. */
  verified(id: string): Promise<void>;
  /** Ends the process and starts another on the same folder and port. */
  restart(signal: NodeJS.Signals): Promise<void>;
  /** Ends everything and removes the folder; of a test that failed, it shows the end of Vigil's log. */
  close(task: TestContext["task"]): Promise<void>;
}

/** @param history `loading`: it has just begun to load it; `loaded`: it goes on where one stopped that had loaded it. */
export async function watched(chromium: string, history: "loading" | "loaded"): Promise<Watched> {
  mkdirSync(pictures, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), "vigil-watched-"));
  if (history === "loaded") await loadedDemo(folder);
  let vigil = await startVigil(folder, ENVIRONMENT);
  const browser = await openBrowser(chromium);
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  await page.goto(vigil.url);
  const channel = new Channel(vigil);
  const proposalCard = (id: string) => page.getByTestId("proposal-card").and(page.locator(`[data-card="${id}"]`));
  return {
    get vigil() {
      return vigil;
    },
    folder,
    page,
    channel,
    proposalCard,
    photograph: async (name) => {
      await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
    },
    shareOfTheFlag: () => {
      const { flags } = JSON.parse(readFileSync(join(folder, "demo/flags.json"), "utf8")) as {
        flags: Record<string, { targeting: { fractional?: [string, number][] } }>;
      };
      return flags["catalog-cache-v2-keys"]?.targeting.fractional?.[0]?.[1];
    },
    proposed: async (summary, known = []) => {
      const found = () => channel.proposals().find((one) => !known.includes(one.id) && summary.test(one.summary))?.id ?? null;
      await expect.poll(found, { timeout: 400_000, interval: 300 }).not.toBeNull();
      const id = found() ?? "";
      await proposalCard(id).waitFor({ timeout: 60_000 });
      return id;
    },
    approve: async (id) => {
      await proposalCard(id).getByTestId("approve").click();
      await page.getByTestId("dialog-confirm").click();
    },
    verified: async (id) => {
      await channel.ends(id, ["verified"]);
      await expect
        .poll(() => proposalCard(id).getByTestId("proposal-state").textContent(), { timeout: 30_000 })
        .toMatch(/verified/i);
    },
    restart: async (signal) => {
      await vigil.stop(signal);
      vigil = await startVigil(folder, ENVIRONMENT, Number(new URL(vigil.url).port));
      await vigil.ready();
      await page.goto(vigil.url);
    },
    close: async (task) => {
      showLogOfFailure(task, vigil);
      await browser.close();
      await vigil.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
