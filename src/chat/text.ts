import { cleanUntrusted, cutBefore } from "../domain/untrusted.ts";
import { escapeMarkdown } from "./markdown.ts";

/** Cuts by Unicode code point, before a word that does not fit; an ellipsis marks the cut. `longest` counts code points. */
export function clip(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const points = [...text];
  return points.length <= longest ? text : cutBefore(points.slice(0, Math.max(0, longest - 1)).join(""), points[longest - 1]);
}

/** Text that others wrote, for a place that takes plain text: secrets and invisible characters out, length capped. */
export const plain = (text: string, longest = 500): string => clip(cleanUntrusted(text, longest).text, longest);

/** The same for a place that takes Markdown: every mark in it is shown, none works. */
export const quoted = (text: string, longest = 500): string => escapeMarkdown(plain(text, longest));

/** As code, for names: flags, services, metrics. */
export const asCode = (text: string, longest = 120): string => {
  const inner = plain(text, longest).replace(/[`\n]/g, "'");
  return inner ? `\`${inner}\`` : "–";
};

/** `2026-11-24 02:41` in UTC. */
export const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
/** `02:41` in UTC. */
export const clock = (at: number): string => new Date(at).toISOString().slice(11, 16);
/** `02:41:07` in UTC. */
export const clockSeconds = (at: number): string => new Date(at).toISOString().slice(11, 19);

/** `850 ms`, `4.2 s`, `12 min`, `3 h`. */
export function span(milliseconds: number): string {
  const short = (value: number) => String(Number(value.toPrecision(2)));
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${short(milliseconds / 1_000)} s`;
  if (milliseconds < 3_600_000) return `${short(milliseconds / 60_000)} min`;
  return `${short(milliseconds / 3_600_000)} h`;
}

/** `+12 %`, `−3.4 %`, with a true minus sign; `0 %` has none. */
export function change(share: number): string {
  if (!Number.isFinite(share)) return "n/a";
  if (share >= 10) return "over +1000 %";
  const size = Math.abs(share * 100);
  const digits = size >= 10 ? size.toFixed(0) : size.toFixed(1).replace(/\.0$/, "");
  if (Number(digits) === 0) return "0 %";
  return `${share > 0 ? "+" : "−"}${digits} %`;
}

/** `86 %` */
export const share = (value: number): string => `${Math.round(value * 100)} %`;
