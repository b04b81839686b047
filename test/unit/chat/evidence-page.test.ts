import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { afterEach, describe, expect, it } from "vitest";
import { evidencePages } from "../../../src/chat/web/evidence-page.ts";
import { webSurface } from "../../../src/chat/web/index.ts";
import type { Evidence, Investigation } from "../../../src/domain/investigation.ts";
import { type Audience, OPERATOR } from "../../../src/flows/ports.ts";
import { ConversationRepository } from "../../../src/store/conversations.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { finished, HOSTILE } from "../../support/chat-samples.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const AT = Date.UTC(2026, 0, 5, 3);
const EVIDENCE: Evidence = {
  id: "E1",
  tool: "fetch_logs",
  args: { service: "shelf", from: "-2h" },
  title: "Logs of shelf",
  summary: "12 lines\n<script>alert(1)</script> see https://evil.example",
  facts: { lines: 12, '<img src=x onerror="x">': HOSTILE },
  services: ["shelf"],
  at: AT,
  link: null,
  suspicious: true,
};

/** The real page over real HTTP with real SQLite. */
async function page(
  audience: Audience,
  changed: Partial<Investigation> = {},
  evidence: Partial<Evidence> = {},
  look?: Parameters<typeof evidencePages>[2],
) {
  const db = await openStateDatabase(":memory:");
  const investigations = new InvestigationRepository(db);
  const { investigation } = finished({ evidence: [{ ...EVIDENCE, ...evidence }] });
  await investigations.save({ ...investigation, id: "INV-1", ...changed });
  const web = webSurface({
    store: new ConversationRepository(db),
    picture: async () => null,
    state: async () => {
      throw new Error("nobody looks");
    },
    demo: null,
    host: "127.0.0.1",
    now: Date.now,
    pages: evidencePages((id) => investigations.get(id), audience, look),
  });
  const server = createServer(express().use(web.router));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closers.push(
    () => db.destroy(),
    () => web.surface.stop(),
    () => server.closeAllConnections(),
    () => void server.close(),
  );
  const { port } = server.address() as AddressInfo;
  return async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, policy: response.headers.get("content-security-policy"), text: await response.text() };
  };
}

describe("the page of one piece of evidence", () => {
  it("shows how it was found and every fact, under the strict policy, and text of others does nothing", async () => {
    const get = await page(null);
    const { status, policy, text } = await get("/evidence/INV-1/E1");
    expect(status).toBe(200);
    expect(policy).toContain("default-src 'none'");
    for (const shown of ["<h1>Logs of shelf</h1>", "<td>fetch_logs</td>", "<td>lines</td><td>12</td>", "attempt to instruct"])
      expect(text).toContain(shown);
    expect(text).toContain("<td>2026-01-05 01:00:00 UTC to the time of looking</td>");
    expect(text).not.toMatch(/<script|<img/);
    const around = `from=${AT - 3_600_000}&#38;to=${AT}`;
    expect([...text.matchAll(/href="([^"]*)"/g)].map(([, to]) => to)).toEqual([
      "/icon.svg",
      "/report.css",
      "/",
      `/services/shelf?${around}`,
    ]);
  });

  it("tells the window that the tool resolved rather than the one it was asked for", async () => {
    const get = await page(null, {}, { link: `/logs?service=shelf&from=${AT - 600_000}&to=${AT}`, suspicious: false });
    const { text } = await get("/evidence/INV-1/E1");
    expect(text).toContain("<td>2026-01-05 02:50:00 UTC to 2026-01-05 03:00:00 UTC</td>");
    expect(text).not.toContain("attempt to instruct");
  });

  it("shows the data it rests on, as it was then, and says when that is gone or cannot be read", async () => {
    const asked: string[] = [];
    const seen = (look: Parameters<typeof evidencePages>[2]) =>
      page(null, {}, { link: "/traces/abc" }, look).then((get) => get("/evidence/INV-1/E1"));
    const shown = await seen(async (path, query) => {
      asked.push(`${path}?${query}`);
      return { heading: "Trace <abc>", nav: "", main: "<table id=spans></table>" };
    });
    expect(asked).toEqual([`/traces/abc?to=${AT}`]);
    expect(shown.text).toContain("<h2>Trace &#60;abc&#62;</h2><nav></nav><table id=spans>");
    expect((await seen(async () => null)).text).toContain("no longer kept");
    const failing = await seen(async () => Promise.reject(new Error("Tempo at <host> gave no answer")));
    expect(failing).toMatchObject({ status: 200, text: expect.stringContaining("Tempo at &#60;host&#62; gave no answer") });
  });

  it("says what is not there", async () => {
    const get = await page(null, { report: null });
    expect(await get("/evidence/INV-1/E1")).toMatchObject({ status: 404, text: expect.stringContaining("has no report yet") });
    const other = await page(null);
    expect(await other("/evidence/INV-1/E7")).toMatchObject({ status: 404, text: expect.stringContaining("no evidence E7 in") });
    const odd = await other("/evidence/%3Cscript%3E/E1");
    expect(odd).toMatchObject({ status: 404, text: expect.stringContaining("no investigation &#60;script&#62;") });
  });

  it("shows what is of a private place to nobody but its own and the operator, and does not say that it is there", async () => {
    const seen = async (reader: Audience) => (await page(reader, { audience: "slack:C9" }))("/evidence/INV-1/E1");
    const hidden = await seen(null);
    const absent = await (await page(null))("/evidence/INV-2/E1");
    expect(hidden.status).toBe(404);
    expect(hidden.text.replaceAll("INV-1", "INV-2")).toBe(absent.text);
    expect((await seen("slack:C8")).status).toBe(404);
    expect((await seen("slack:C9")).status).toBe(200);
    expect((await seen(OPERATOR)).status).toBe(200);
  });
});
