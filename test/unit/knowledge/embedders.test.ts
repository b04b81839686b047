import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { LocalEmbedder, OpenAiEmbedder } from "../../../src/knowledge/index.ts";
import { embedderOf } from "../../../src/wiring/knowledge-embedder.ts";

const cosine = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, one, at) => sum + one * (b[at] as number), 0) / Math.hypot(...a) / Math.hypot(...b);

describe("the shipped sentence model", () => {
  it("puts like beside like, leaves the event loop free meanwhile, and gives its memory back when idle", async () => {
    const embedder = new LocalEmbedder(50);
    let longest = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const filler = Array.from(
      { length: 14 },
      (_, index) => `Passage ${index} about a queue that grew because nobody emptied it.`,
    );
    const vectors = await embedder.embed(["The disk is full", "No storage space left", "A friendly dog barks", ...filler]);
    clearInterval(beat);
    expect(vectors).toHaveLength(17);
    expect(vectors[0]).toHaveLength(512);
    const [disk, storage, dog] = vectors as [Float32Array, Float32Array, Float32Array];
    expect(cosine(disk, storage)).toBeGreaterThan(cosine(disk, dog) + 0.1);
    expect(longest).toBeLessThan(800);
    await expect.poll(() => embedder.loaded).toBe(false);

    // Asked again, the model comes back.
    const [again] = await embedder.embed(["The disk is full"]);
    expect(cosine(disk, again as Float32Array)).toBeCloseTo(1, 5);
    await embedder.close();
  });

  it("rejects what is under way when it is closed", async () => {
    const embedder = new LocalEmbedder();
    const asked = embedder.embed(["one"]);
    const outcome = expect(asked).rejects.toThrow("worker ended");
    await embedder.close();
    await outcome;
  });
});

describe("an OpenAI-compatible endpoint", () => {
  let server: Server | null = null;
  afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())));

  const serve = async (answer: (body: { model: string; input: string[] }) => { status: number; body: unknown }) => {
    const seen: { path: string; authorization: string | undefined; body: { model: string; input: string[] } }[] = [];
    server = createServer((request, response) => {
      let text = "";
      request.on("data", (piece) => {
        text += piece;
      });
      request.on("end", () => {
        const body = JSON.parse(text) as { model: string; input: string[] };
        seen.push({ path: request.url ?? "", authorization: request.headers.authorization, body });
        const { status, body: reply } = answer(body);
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(reply));
      });
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    return { seen, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
  };

  it("is asked with model, key and texts, and its vectors come back in order", async () => {
    const { seen, baseUrl } = await serve(({ input }) => ({
      status: 200,
      body: { object: "list", data: input.map((text, index) => ({ object: "embedding", index, embedding: [text.length, 1] })) },
    }));
    const embedder = new OpenAiEmbedder({ model: "small", apiKey: "key-of-the-test", baseUrl });
    const vectors = await embedder.embed(["a", "bbb"]);
    expect(vectors.map((vector) => [...vector])).toEqual([
      [1, 1],
      [3, 1],
    ]);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      path: "/v1/embeddings",
      authorization: "Bearer key-of-the-test",
      body: { model: "small", input: ["a", "bbb"] },
    });
    expect(new OpenAiEmbedder({ model: "small", apiKey: "k", baseUrl, dimensions: 8 }).model).toBe("small@8");
  });

  it("is what the configuration names, at the model's endpoint unless it has one of its own; else the model that ships", async () => {
    const { seen, baseUrl } = await serve(({ input }) => ({
      status: 200,
      body: { object: "list", data: input.map((_, index) => ({ object: "embedding", index, embedding: [1] })) },
    }));
    const defaults = loadConfig({}, "/nowhere");
    const knowledge = { ...defaults.knowledge, embeddings: { model: "large", timeoutSeconds: 5 } };
    const model = { ...defaults.model, baseUrl, apiKey: "key-of-the-model" };
    await embedderOf({ knowledge, model }).embed(["a"]);
    expect(seen[0]).toMatchObject({ authorization: "Bearer key-of-the-model", body: { model: "large" } });
    expect(embedderOf({ knowledge: defaults.knowledge, model }).model).toBe("energetic-ai-en-0.2");
  });

  it("fails soon when the endpoint does", async () => {
    const { baseUrl } = await serve(() => ({ status: 400, body: { error: { message: "no such model" } } }));
    await expect(new OpenAiEmbedder({ model: "none", apiKey: "k", baseUrl }).embed(["a"])).rejects.toThrow(/no such model/);
  });
});
