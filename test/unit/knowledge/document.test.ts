import { describe, expect, it } from "vitest";
import { chunksOf, DocumentError, leadOf, parseMarkdown } from "../../../src/knowledge/document.ts";
import { phrasesOf, termsOf } from "../../../src/knowledge/words.ts";

describe("reading a Markdown file", () => {
  it("takes id, title, services and the rest of the front matter, and the kind from the folder", () => {
    const document = parseMarkdown(
      "incidents/INC-1.md",
      "---\nid: INC-1\ntitle: Disk full\nservices: [orders-db, api]\nstarted: 2026-01-02T03:04:05Z\ntags: [disk, wal]\nowner:\n---\n# Out of disk\ntext",
    );
    expect(document).toMatchObject({
      id: "INC-1",
      kind: "incident",
      title: "Disk full",
      aliases: ["Out of disk", "INC-1"],
      services: ["orders-db", "api"],
      metadata: { started: "2026-01-02T03:04:05Z", tags: "disk, wal" },
      text: "# Out of disk\ntext",
    });
    expect(document.metadata).not.toHaveProperty("owner");
  });

  it("manages without front matter: first heading, else the file's name", () => {
    expect(parseMarkdown("notes/a.md", "# A heading\nx")).toMatchObject({ id: "notes/a.md", title: "A heading", kind: "note" });
    expect(parseMarkdown("b.txt", "plain words")).toMatchObject({ title: "b", kind: "note" });
  });

  it("reads files with Windows line ends and a byte order mark", () => {
    expect(parseMarkdown("a.md", "\uFEFF---\r\ntitle: Disk\r\n---\r\ntext")).toMatchObject({ title: "Disk", text: "text" });
  });

  it("names file, line and remedy when the front matter is not YAML", () => {
    const read = () => parseMarkdown("incidents/bad.md", "---\ntitle: ok\nroot_cause: a: b: c\n---\ntext");
    expect(read).toThrow(DocumentError);
    expect(read).toThrow(/^incidents\/bad\.md:3: the front matter is not valid YAML: .*Quote the value/);
  });

  it("refuses front matter that is a list, and YAML that would grow without end", () => {
    expect(() => parseMarkdown("a.md", "---\n- one\n---\n")).toThrow(/a\.md:2: the front matter must be keys with values/);
    const bomb = `---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n---\n`;
    expect(() => parseMarkdown("a.md", bomb)).toThrow(DocumentError);
  });
});

describe("cutting into passages", () => {
  const document = (text: string, metadata = {}) => ({ ...parseMarkdown("a.md", text), metadata });

  it("keeps a section with its heading, joins short neighbours, and leaves headings inside code alone", () => {
    const long = "The queue grew because nobody emptied it any more. ".repeat(8);
    const chunks = chunksOf(
      document(`# T\n\nshort\n\n## Cause\n\n${long}\n\n## Fix\n\n\`\`\`sh\n# not a heading\nrestart\n\`\`\`\n${long}`),
    );
    expect(chunks.map(({ heading }) => heading)).toEqual(["T", "Fix"]);
    expect(chunks[0]?.text).toMatch(/^short/);
    expect(chunks[1]?.text).toContain("# not a heading");
  });

  it("puts root cause and resolution first, as a passage of their own", () => {
    expect(chunksOf(document("text", { root_cause: "No disk.", resolution: "More disk." }))[0]?.text).toBe("No disk. More disk.");
  });

  it("cuts what is longer than a passage without losing a character, and gives an empty document its title", () => {
    const wall = "x".repeat(5_000);
    expect(
      chunksOf(document(wall))
        .map(({ text }) => text)
        .join(""),
    ).toBe(wall);
    expect(chunksOf(document(""))).toEqual([{ heading: "", text: "a" }]);
  });

  it("finds the section that says what a page is about", () => {
    expect(leadOf(document("# T\nintro\n## Impact\nmoney\n## Fix\nx"))).toBe("money\n");
  });
});

describe("words", () => {
  it("splits names, stems, and keeps the little words that matter", () => {
    expect(termsOf("KubePodNotReady http_requests_total isn't the TLSHandshake")).toEqual([
      "kube",
      "pod",
      "not",
      "readi",
      "http",
      "request",
      "total",
      "isn",
      "tl",
      "handshak",
    ]);
    expect(phrasesOf(["disk", "full", "again"])).toEqual(["disk full", "full again"]);
  });
});
