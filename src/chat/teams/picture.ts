import { deflateSync } from "node:zlib";
import type { AnomalyPicture } from "../../flows/ports.ts";
import type { Card, CardBlock } from "../card.ts";
import { pictureSvg } from "../picture.ts";

const WIDTH = 480;
/** Colours of the palette: what four bits for each pixel can name. */
const COLOURS = 16;
/** Pictures that are kept for the next edit of their card. */
const KEPT = 20;

/**
 * The anomaly as a PNG small enough to travel inside a card, since Teams loads a card's pictures from the open internet only: sixteen
 * colours at four bits (PNG, ISO/IEC 15948, indexed-colour). A few kilobytes.
 */
export async function smallPng(picture: AnomalyPicture): Promise<Buffer> {
  const { Resvg } = await import("@resvg/resvg-js");
  const { pixels, width, height } = new Resvg(pictureSvg(picture), {
    background: "#ffffff",
    fitTo: { mode: "width", value: WIDTH },
    font: { loadSystemFonts: true, defaultFontFamily: "DejaVu Sans" },
  }).render();
  return indexedPng(pixels, width, height);
}

/** Pictures of cards as `data:` addresses; each is drawn once. */
export class Pictures {
  readonly #drawn = new Map<string, Promise<string>>();

  /** Null when the card has none. @throws when it cannot be drawn */
  async of(card: Card): Promise<string | null> {
    const block = card.body.find((one): one is CardBlock & { type: "picture" } => one.type === "picture");
    if (!block) return null;
    const key = `${block.investigationId} ${block.version}`;
    let drawing = this.#drawn.get(key);
    if (!drawing) {
      drawing = smallPng(block.picture).then((png) => `data:image/png;base64,${png.toString("base64")}`);
      this.#drawn.set(key, drawing);
      const [oldest] = this.#drawn.keys();
      if (this.#drawn.size > KEPT && oldest !== undefined) this.#drawn.delete(oldest);
    }
    return drawing;
  }
}

/** An opaque RGBA picture in at most sixteen colours: its most frequent ones, and for every pixel the nearest of them. */
function indexedPng(rgba: Uint8Array, width: number, height: number): Buffer {
  // Neighbouring shades count as one, so that the smooth edges of lines do not crowd out the lines.
  const counts = new Map<number, number>();
  const shade = (at: number) => (((rgba[at] ?? 0) >> 4) << 8) | (((rgba[at + 1] ?? 0) >> 4) << 4) | ((rgba[at + 2] ?? 0) >> 4);
  for (let at = 0; at < rgba.length; at += 4) counts.set(shade(at), (counts.get(shade(at)) ?? 0) + 1);
  const palette = [...counts.entries()]
    .sort(([, a], [, b]) => b - a)
    .slice(0, COLOURS)
    .map(([colour]) => [(colour >> 8) * 17, ((colour >> 4) & 15) * 17, (colour & 15) * 17] as const);
  const known = new Map<number, number>();
  const nearest = (at: number): number => {
    const key = shade(at);
    const before = known.get(key);
    if (before !== undefined) return before;
    const distances = palette.map(
      ([red, green, blue]) =>
        (red - (rgba[at] ?? 0)) ** 2 + (green - (rgba[at + 1] ?? 0)) ** 2 + (blue - (rgba[at + 2] ?? 0)) ** 2,
    );
    const index = distances.indexOf(Math.min(...distances));
    known.set(key, index);
    return index;
  };
  const stride = Math.ceil(width / 2);
  const rows = Buffer.alloc((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const index = nearest((y * width + x) * 4);
      const byte = y * (stride + 1) + 1 + (x >> 1);
      rows[byte] = (rows[byte] ?? 0) | (x % 2 === 0 ? index << 4 : index);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Four bits for each pixel, indexed colour.
  header.set([4, 3, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flat())),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** CRC-32 as PNG wants it; `zlib.crc32` came with a later Node than ours. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
