import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Presenter } from "../../src/chat/presenter.ts";
import { DEFAULT_EMOJI } from "../../src/chat/reactions.ts";
import { evidencePages } from "../../src/chat/web/evidence-page.ts";
import { type PageState, webSurface } from "../../src/chat/web/index.ts";
import { OPERATOR } from "../../src/flows/ports.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { galleryApp } from "../gallery/app.ts";
import { galleryStates } from "../gallery/states.ts";
import { finished, home, pending, picture } from "../support/chat-samples.ts";
import { FakeHandlers, silentLog, until } from "../support/fake-handlers.ts";
import { installedChromium, openBrowser } from "./browser.ts";

/** The local page and the gallery in a real browser: keyboard, phone, dark, and what a screen reader is told. */

const chromium = installedChromium();
const state: PageState = {
  telemetryTime: Date.UTC(2026, 10, 24, 2, 47),
  speed: 60,
  watchedSeries: 27,
  progress: null,
  stopped: null,
  mind: "offline reasoner",
  running: [],
  demo: null,
  replica: null,
};

describe.skipIf(!chromium)("in a browser", () => {
  let browser: Browser;
  let db: StateDatabase;
  let server: Server;
  let handlers: FakeHandlers;
  let presenter: Presenter;
  let web: ReturnType<typeof webSurface>;
  let url = "";
  const problems: string[] = [];

  const serve = async (app: express.Express): Promise<{ server: Server; url: string }> => {
    const made = createServer(app);
    await new Promise<void>((done) => made.listen(0, "127.0.0.1", done));
    return { server: made, url: `http://127.0.0.1:${(made.address() as AddressInfo).port}` };
  };
  const open = async (address: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width: 1_200, height: 900 }, ...options });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await page.goto(address);
    return page;
  };
  /** Nothing sticks out to the right. */
  const overflow = (page: Page) =>
    page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") as Promise<number>;

  const shown = finished().investigation;

  beforeAll(async () => {
    browser = await openBrowser(chromium ?? "");
    db = await openStateDatabase(":memory:");
    const store = new ConversationRepository(db);
    handlers = new FakeHandlers();
    handlers.onHome = () => home();
    web = webSurface({
      store,
      picture: async () => picture(),
      state: async () => state,
      emoji: () => DEFAULT_EMOJI,
      demo: null,
      host: "127.0.0.1",
      now: Date.now,
      pages: evidencePages(async (id) => (id === shown.id ? shown : null), OPERATOR),
    });
    ({ server, url } = await serve(express().use(web.router)));
    presenter = new Presenter({ surfaces: [web.surface], store, log: silentLog });
    await web.surface.start(handlers);
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending());
    await until("both cards", async () => (await store.messagesSince(0, 10)).length === 2);
  });
  afterEach(() => {
    expect(problems.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await presenter.close();
    await web.surface.stop();
    server.closeAllConnections();
    server.close();
    await db.destroy();
  });

  it("an evidence id on the card leads to the evidence's own page", async () => {
    const page = await open(url);
    await page.getByTestId("fold-evidence").locator("summary").click();
    const first = page.getByTestId("evidence").first();
    const title = await first.locator("strong").textContent();
    await first.locator("a.cite").click();
    await page.waitForURL(`${url}/evidence/${shown.id}/E1`);
    expect(await page.locator("h1").textContent()).toBe(title);
    await page.locator("summary").click();
    await page.getByRole("row").nth(6).waitFor();
    expect(await overflow(page)).toBe(0);
    await page.close();
  });

  it("is worked by keys alone: to the message, its reaction, the overview, and to Approve, which a person still presses and confirms", async () => {
    const page = await open(url);
    await page.waitForSelector('[data-testid="approve"]');
    await page.keyboard.press("j");
    expect(await page.evaluate("document.activeElement.dataset.id")).toBe("investigation:INV-1");
    await page.keyboard.press("e");
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe("React: correct");
    await page.keyboard.press("Enter");
    await until("the vote", () => handlers.verdicts.find(({ verdict, via }) => verdict === "correct" && via === "reaction"));
    await page.keyboard.press("o");
    await page.waitForSelector('[data-testid="panel-awaiting"]');
    expect(await page.getByTestId("panel").textContent()).toContain("yours to decide");
    await page.keyboard.press("o");
    await page.keyboard.press("a");
    await until("the focus", async () => (await page.evaluate("document.activeElement.dataset.testid")) === "approve");
    expect(handlers.decisions).toEqual([]);
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog#dialog[open]");
    await page.keyboard.press("Escape");
    expect(handlers.decisions).toEqual([]);
    await page.keyboard.press("/");
    expect(await page.evaluate("document.activeElement.id")).toBe("composer-text");
    await page.keyboard.type("ajoke");
    expect(await page.inputValue("#composer-text")).toBe("ajoke");
    await page.close();
  });

  it.each(["light", "dark"] as const)(
    "fits a phone, %s, with targets that a thumb hits and a name for every control",
    async (colorScheme) => {
      const page = await open(url, { viewport: { width: 390, height: 844 }, colorScheme });
      await page.waitForSelector('[data-testid="approve"]');
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      expect(await page.locator("h1").isVisible()).toBe(true);
      expect((await page.locator("header").boundingBox())?.height).toBeLessThan(110);
      for (const name of ["approve", "deny", "kill-switch", "overview"])
        expect((await page.getByTestId(name).first().boundingBox())?.height, name).toBeGreaterThanOrEqual(40);
      const nameless = await page.evaluate(
        `[...document.querySelectorAll("button, a, input, textarea")].filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label") && !one.labels?.length && one.offsetParent).length`,
      );
      expect(nameless).toBe(0);
      const [ground, ink] = (await page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]",
      )) as [string, string];
      expect(contrast(ground, ink)).toBeGreaterThan(7);
      await page.close();
    },
  );

  it.each([1_200, 390])(
    "asks an approver why where a reason is needed, by keys alone and %i pixels wide",
    async (width) => {
      const id = `PRO-${width}`;
      const summary = "deploy checkout in production: 7.4.0 → 7.3.2";
      const risk = { tier: "T3" as const, score: 12, lines: [] };
      const wide = { id, summary, risk, reasonNeeded: true, neededApprovals: 2 };
      await presenter.showProposal(pending(wide));
      const page = await open(url, { viewport: { width, height: 844 } });
      const card = page.locator(`[data-card="${id}"]`);
      await card.getByText("0 of 2, each with a reason that everyone reads").waitFor();
      await card.getByTestId("approve").focus();
      await page.keyboard.press("Enter");
      await page.waitForSelector("dialog#dialog[open]");
      const field = page.getByRole("textbox", { name: "Why? T3 needs a reason with each approval." });
      expect(await field.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true);
      expect(
        await field.evaluate((one) => one.ownerDocument.getElementById(one.getAttribute("aria-describedby") ?? "")?.textContent),
      ).toContain("Everyone reads it");
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      const box = await page.getByTestId("dialog-confirm").boundingBox();
      expect(box?.height).toBeGreaterThanOrEqual(width < 600 ? 40 : 30);
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
      const before = handlers.decisions.length;
      // Nothing, and blanks, are no reason: the dialog stays, and the field says why.
      await page.getByTestId("dialog-confirm").press("Enter");
      await field.focus();
      await page.keyboard.type("   ");
      await page.getByTestId("dialog-confirm").press("Enter");
      expect(await field.evaluate((one) => (one as HTMLTextAreaElement).validationMessage)).toBe("Say in a sentence why.");
      expect(await page.locator("dialog#dialog[open]").count()).toBe(1);
      expect(handlers.decisions.length).toBe(before);
      await field.fill("");
      await field.focus();
      await page.keyboard.type("errors rose with 7.4.0 <b>");
      await page.keyboard.press("Tab");
      expect(await page.evaluate("document.activeElement.dataset.testid")).toBe("dialog-confirm");
      await page.keyboard.press("Enter");
      await until("the approval", () => handlers.decisions.length === before + 1);
      expect(handlers.decisions.at(-1)).toMatchObject({
        proposalId: id,
        verdict: "approve",
        reason: "errors rose with 7.4.0 <b>",
      });
      await page.getByTestId("toast").waitFor();

      await presenter.showProposal(
        pending({
          ...wide,
          approvals: [
            { user: "web:ana", at: Date.UTC(2026, 10, 24, 14, 3), reason: "rose <img src=x> https://evil.example @here" },
          ],
        }),
      );
      await card.getByText("1 of 2 approvals, by somebody else, with a reason").waitFor();
      expect(await card.textContent()).toContain("“rose <img src=x> https://evil.example @here”");
      expect(await card.locator("img[src=x], a[href*=evil]").count()).toBe(0);
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      await page.close();
    },
    60_000,
  );

  it("offers to propose anew what nobody decided in time, to the keyboard as well, and nothing else", async () => {
    const page = await open(url);
    const late = pending({ id: "PRO-44", state: "expired", outcome: "nobody decided in time" });
    await presenter.showProposal(late);
    const card = page.getByTestId("proposal-card").filter({ hasText: "PRO-44" });
    await card.getByText("Expired", { exact: true }).first().waitFor();
    const before = handlers.decisions.length;
    await card.getByTestId("again").focus();
    await page.keyboard.press("Enter");
    await until("the wish", () => handlers.decisions.length === before + 1);
    expect(handlers.decisions.at(-1)).toMatchObject({ proposalId: "PRO-44", verdict: "again", nonce: late.nonce });
    expect(await card.getByTestId("approve").count()).toBe(0);
    await presenter.showProposal({
      ...pending({ id: "PRO-44", state: "superseded", outcome: "proposed anew as PRO-45" }),
      nonce: null,
    });
    await card.getByText("proposed anew as PRO-45").first().waitFor();
    expect(await card.getByTestId("again").count()).toBe(0);
    await page.close();
  });

  it("draws the gallery: every card in every state on three surfaces, wide and narrow, with JSON that parses", async () => {
    const gallery = await serve(galleryApp(Date.now()));
    try {
      const page = await open(gallery.url);
      await page.waitForSelector("body[data-ready]");
      const states = galleryStates(Date.now()).length;
      expect(await page.getByTestId("gallery-state").count()).toBe(states);
      for (const surface of [".surface.web .card", ".surface.slack .slack-message", ".surface.teams .ac-adaptiveCard"])
        expect(await page.locator(surface).count(), surface).toBeGreaterThanOrEqual(states);
      const texts = (await page.evaluate(
        `[...document.querySelectorAll(".json code")].map((code) => code.textContent)`,
      )) as string[];
      expect(texts.length).toBeGreaterThan(2 * states);
      for (const text of texts) expect(() => JSON.parse(text)).not.toThrow();
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      await page.setViewportSize({ width: 390, height: 844 });
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      await page.close();
    } finally {
      gallery.server.closeAllConnections();
      gallery.server.close();
    }
  });
});

/** Contrast ratio of two `rgb(…)` colours by WCAG 2. */
function contrast(one: string, other: string): number {
  const luminance = (colour: string) => {
    const [red = 0, green = 0, blue = 0] = (colour.match(/\d+/g) ?? []).map((part) => {
      const share = Number(part) / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}
