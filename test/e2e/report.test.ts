import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { webSurface } from "../../src/chat/web/index.ts";
import { reportPages } from "../../src/chat/web/report-page.ts";
import type { Proposal } from "../../src/domain/proposal.ts";
import { collectReport } from "../../src/flows/report.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { FeedbackRepository } from "../../src/store/feedback.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { investigation, vote } from "../support/judged.ts";
import { installedChromium, openBrowser } from "./browser.ts";

const chromium = installedChromium();
const HOSTILE = '<img src=x onerror="document.title=1">';

describe.skipIf(!chromium)("the report page", () => {
  let browser: Browser;
  let server: Server;
  let url = "";

  beforeAll(async () => {
    const db = await openStateDatabase(":memory:");
    const investigations = new InvestigationRepository(db);
    const feedback = new FeedbackRepository(db);
    for (let index = 1; index <= 12; index++) {
      const one = investigation(`INV-${index}`, { confidence: index / 13, service: index === 12 ? HOSTILE : "shelf" });
      const report = one.report && { ...one.report, real: { chance: 0.9, raw: 0.9, like: 4, noise: 1 } };
      await investigations.save({ ...one, report, startedAt: one.startedAt + index * 3 * 86_400_000 });
      await feedback.put(vote(one.id, "slack:U1", index > 5 ? "correct" : "incorrect"));
    }
    const run = {
      id: "PRO-1",
      action: "toggle_feature_flag",
      state: "verified",
      approvals: [{ user: "slack:U1", at: 1 }],
      createdAt: Date.now(),
      investigationId: "INV-7",
    };
    const sources = { investigations, feedback, proposals: async () => [run as unknown as Proposal] };
    const worth = { minutesSavedPerAcceptedInvestigation: 30, dollarsPerEngineerHour: 120 };
    const web = webSurface({
      store: new ConversationRepository(db),
      picture: async () => null,
      state: async () => ({
        telemetryTime: 0,
        speed: 1,
        watchedSeries: 0,
        progress: null,
        stopped: null,
        mind: "offline reasoner",
        running: [],
        demo: null,
        replica: null,
      }),
      demo: null,
      host: "127.0.0.1",
      now: Date.now,
      pages: reportPages((days) => collectReport(sources, worth, days === 0 ? 0 : Date.now() - days * 86_400_000)),
    });
    server = createServer(express().use(web.router));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await openBrowser(chromium as string);
  });

  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it("shows figures, tables and plots under a strict policy, without a script or a word to the console", async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    const response = await page.goto(`${url}/report`);
    expect(response?.headers()["content-security-policy"]).toContain("default-src 'none'");
    expect(await page.locator("script").count()).toBe(0);
    expect(await page.getByText("58 %", { exact: true }).count()).toBeGreaterThan(0);
    expect(await page.getByText("(7 correct + 0 partly) × 30 min ÷ 60").count()).toBe(1);
    expect(await page.locator("table").first().textContent()).toContain("73 % faster detection of novel failures");
    const drawn = await page
      .locator(".plots img")
      .evaluateAll((images) => images.map((image) => (image as unknown as { naturalWidth: number }).naturalWidth));
    expect(drawn).toEqual([560, 560, 560, 560]);
    const curves = 'img[alt^="Reliability diagram. That it is the cause: stated"][alt*="That it is real: stated"]';
    expect(await page.locator(curves).count()).toBe(1);
    expect(await page.getByText(/calibration error 0\.\d+ over 12 judged \(by chance alone 0\.\d+/).count()).toBe(2);
    expect(await page.title()).toBe("Vigil: report");
    expect(await page.getByText(`flag in ${HOSTILE}`).count()).toBe(1);
    expect(complaints).toEqual([]);
    await page.getByRole("link", { name: "7 days" }).click();
    await page.waitForURL("**/report?days=7");
    expect(await page.locator(".figures div", { hasText: "Investigations" }).locator("b").textContent()).toBe("0");
    await page.close();
  });

  it("gives the same figures as CSV and JSON, and no plot that is none", async () => {
    expect(await (await fetch(`${url}/report.csv`)).text()).toContain("investigations,12\r\n");
    expect(await (await fetch(`${url}/report.json`)).json()).toMatchObject({
      investigations: 12,
      verdicts: { correct: 7, incorrect: 5 },
    });
    expect((await fetch(`${url}/report/plots/nothing.svg`)).status).toBe(404);
    const svg = await (await fetch(`${url}/report/plots/causes.svg`)).text();
    expect(svg).toContain("<svg");
    expect(svg).not.toContain("<img");
  });
});
