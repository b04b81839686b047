import { describe, expect, it } from "vitest";
import { escapeMarkdown, parseInline, parseMarkdown, plainText } from "../../../src/chat/markdown.ts";
import { clip } from "../../../src/chat/text.ts";
import { HOSTILE } from "../../support/chat-samples.ts";

describe("the Markdown subset of cards", () => {
  it("knows bold, italic, code and citations", () => {
    expect(parseInline("**b** and *i* and _j_ and `c` [E1, E12].")).toEqual([
      { type: "bold", text: "b" },
      { type: "text", text: " and " },
      { type: "italic", text: "i" },
      { type: "text", text: " and " },
      { type: "italic", text: "j" },
      { type: "text", text: " and " },
      { type: "code", text: "c" },
      { type: "text", text: " " },
      { type: "cite", id: "E1" },
      { type: "cite", id: "E12" },
      { type: "text", text: "." },
    ]);
  });

  it("leaves names with underscores and unclosed marks alone", () => {
    expect(parseInline("cart_item_count is **not closed")).toEqual([{ type: "text", text: "cart_item_count is **not closed" }]);
  });

  it("knows lists, code fences and headings, and has neither links nor HTML", () => {
    const blocks = parseMarkdown("# Title\n- one\n2. two\n```\n<b>\n```\n[a](https://x.example) <script>");
    expect(blocks.map(({ type }) => type)).toEqual(["paragraph", "list", "code", "paragraph"]);
    expect(plainText("[a](https://x.example) <script>")).toBe("[a](https://x.example) <script>");
  });

  it("shows escaped text exactly as it was, whatever is in it", () => {
    const nasty = "a*b* _c_ `d` [E1] **e** \\ - f";
    expect(parseInline(escapeMarkdown(nasty))).toEqual([{ type: "text", text: nasty }]);
    expect(parseMarkdown(escapeMarkdown("- no list"))[0]).toEqual({
      type: "paragraph",
      lines: [[{ type: "text", text: "- no list" }]],
    });
    expect(parseMarkdown(escapeMarkdown(HOSTILE)).every(({ type }) => type === "paragraph")).toBe(true);
    expect(JSON.stringify(parseMarkdown(escapeMarkdown(HOSTILE)))).not.toContain('"cite"');
  });

  it("takes a megabyte in a moment", () => {
    const began = performance.now();
    parseMarkdown(`${"**a".repeat(5_000)}\n${"[E1".repeat(5_000)}\n${"`*_".repeat(5_000)}`);
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  it("cuts by code point", () => {
    expect(clip("🦩🦩🦩🦩", 3)).toBe("🦩🦩…");
    expect(clip("abc", 3)).toBe("abc");
    expect(clip("the cache went cold", 15)).toBe("the cache went…");
    expect(clip("the cache went cold", 11)).toBe("the cache…");
  });
});
