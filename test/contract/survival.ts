import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StubAnswer, type StubServer, stubServer } from "../support/stub-server.ts";

/** How a system can fail its callers. `null`: it writes by itself, and may never end. */
const FAILURES: Readonly<Record<string, (response: ServerResponse) => StubAnswer | null>> = {
  "never answers": () => null,
  "answers 401": () => ({ status: 401, body: { message: "Unauthorized" } }),
  "answers 429": () => ({ status: 429, body: { message: "slow down" }, headers: { "retry-after": "1" } }),
  "answers 500": () => ({ status: 500, body: { message: "database is gone" } }),
  "sends garbage": () => ({ body: "<html>a proxy's login page</html>", headers: { "content-type": "application/json" } }),
  "sends another shape": () => ({ body: [1, 2, 3] }),
  "sends nothing": () => ({ body: undefined }),
  drips: (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const timer = setInterval(() => response.write(" "), 20);
    response.on("close", () => clearInterval(timer));
    return null;
  },
  "sends 50 MB": (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const megabyte = Buffer.alloc(1_000_000, 0x20);
    let sent = 0;
    const send = (): void => {
      while (sent++ < 50) {
        if (!response.write(megabyte)) {
          response.once("drain", send);
          return;
        }
      }
      response.end("{}");
    };
    send();
    return null;
  },
};

/** What a message must say at least, besides the system's name. */
const SAYS: Readonly<Record<string, RegExp>> = {
  "never answers": /0\.3 s/,
  "answers 401": /token|credential|401/,
  "answers 429": /rate/,
  "answers 500": /500|database is gone/,
  drips: /0\.3 s/,
  "sends 50 MB": /MB|memory|long/,
};

/** Milliseconds within which a read gives up: short where that is what is seen, else so long that a busy machine is not taken for the failure. */
const PATIENCE: Readonly<Record<string, number>> = {
  "never answers": 300,
  drips: 300,
  // Below what it asks to wait.
  "answers 429": 900,
  "sends 50 MB": 30_000,
};
const USUAL_PATIENCE = 8_000;

/**
 * What every adapter must live through: it gives up in time with one line that names the system and what to do, and what it read does not
 * stay in memory.
 *
 * @param name as its messages call the system
 * @param read calls the adapter at this address, with this time-out in milliseconds
 */
export function survivalContract(name: string, read: (url: string, timeout: number) => Promise<unknown>): void {
  describe(`${name} that fails (stub)`, () => {
    let server: StubServer;
    let mode = "";
    beforeAll(async () => {
      server = await stubServer((_request, response) => FAILURES[mode]?.(response) ?? null);
    });
    afterAll(() => server.close());

    it.each(Object.keys(FAILURES))("%s", async (failure) => {
      mode = failure;
      const began = Date.now();
      const patience = PATIENCE[failure] ?? USUAL_PATIENCE;
      const error = await read(server.url, patience).then(
        (value) => new Error(`it took the answer for ${JSON.stringify(value)}`),
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(Error);
      const { message } = error as Error;
      expect(message).toContain(name);
      expect(message).toMatch(SAYS[failure] ?? /./);
      expect(message).not.toMatch(/\n|\[object|undefined/);
      expect(message.length).toBeLessThan(600);
      expect(Date.now() - began).toBeLessThan(patience + 5_000);
    });

    it("is not there", async () => {
      await expect(read("http://127.0.0.1:1", USUAL_PATIENCE)).rejects.toThrow(new RegExp(`${name}.*(reached|ECONNREFUSED)`));
    });
  });
}
