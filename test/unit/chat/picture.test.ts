import { Resvg } from "@resvg/resvg-js";
import { describe, expect, it } from "vitest";
import { picturePng, pictureSvg } from "../../../src/chat/picture.ts";
import { forecast, HOSTILE, picture } from "../../support/chat-samples.ts";

const ink = (svg: string, font: object) => {
  const { pixels } = new Resvg(svg, { font }).render();
  let drawn = 0;
  for (let index = 3; index < pixels.length; index += 4) if (pixels[index]) drawn++;
  return drawn;
};

describe("the picture of an anomaly", () => {
  it("shows series, band, changes and hours, and names the changes", () => {
    const svg = pictureSvg(picture());
    expect(svg).toContain("storefront latency (ms)");
    expect(svg).toContain("catalog-cache-v2-keys: 1% on → 28% on");
    expect(svg).toContain("cart: 5.0.9 → 5.1.0");
    expect(svg).toMatch(/02:\d\d/);
  });

  it("names no change over another: where no row has room, the line stands alone", () => {
    const drawn = picture();
    const [change] = drawn.changes;
    const last = drawn.points.at(-1)?.at ?? 0;
    const changes = [1, 2, 3, 4].map((n) => ({ ...change!, subject: `a-flag-with-a-long-name-${n}`, at: last - n * 60_000 }));
    const svg = pictureSvg({ ...drawn, changes });
    expect(svg.match(/a-flag-with-a-long-name-\d/g)).toHaveLength(2);
    expect(svg.match(/stroke="#b07bd6"/g)?.length).toBe(4);
  });

  it("shows a forecast with its limit, which is in sight before it is reached, and days where hours would not tell", () => {
    const { picture: drawn } = forecast();
    const svg = pictureSvg(drawn);
    expect(svg).toContain(">full<");
    expect(svg).toMatch(/>100</);
    expect(svg).toMatch(/>11-2[345] \d\d:\d\d</);
    const [first, last] = [drawn.band[0], drawn.band.at(-1)];
    expect(first?.at).toBeGreaterThanOrEqual(drawn.points.at(-1)?.at ?? Number.POSITIVE_INFINITY);
    expect(last?.expected).toBe(1);
    for (const { lower, expected, upper } of drawn.band) {
      expect(lower).toBeLessThanOrEqual(expected);
      expect(upper).toBeGreaterThanOrEqual(expected);
      expect(upper).toBeLessThanOrEqual(1);
    }
  });

  it("keeps hostile names as text", () => {
    const [change] = picture().changes;
    const svg = pictureSvg({ ...picture(), title: HOSTILE, changes: [{ ...change!, subject: HOSTILE }] });
    expect(svg).not.toMatch(/<(?!\/?(?:svg|rect|path|text|g|defs|style|clipPath|polyline|polygon|line|circle)\b)[a-z]/i);
  });

  it("is a PNG of a phone's double width where no SVG is shown", async () => {
    const png = await picturePng(picture());
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    expect(png.readUInt32BE(16)).toBe(1_440);
  });

  it("keeps its lines where a machine has no font at all; only the words are missing", () => {
    const svg = pictureSvg(picture());
    const [bare, full] = [ink(svg, { loadSystemFonts: false }), ink(svg, { loadSystemFonts: true })];
    expect(bare).toBeGreaterThan(10_000);
    expect(full).toBeGreaterThanOrEqual(bare);
  });

  it("draws what it has: no changes, one point, an end", () => {
    for (const odd of [
      { changes: [] },
      { points: picture().points.slice(0, 1) },
      { anomalyTo: picture().anomalyFrom + 1 },
      { points: [], band: [] },
    ])
      expect(pictureSvg({ ...picture(), ...odd })).toContain("</svg>");
  });
});
