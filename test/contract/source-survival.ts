import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SourceError } from "../../src/domain/telemetry.ts";
import { type StubServer, stubServer } from "../support/stub-server.ts";
import { survivalContract } from "./survival.ts";

/** How long a whole question may take in these tests. */
const SHORT = 300;

/**
 * What a source of telemetry must live through beyond what every adapter must: it tries again what was limited, leaves alone what does
 * not answer, and tells nobody's secrets.
 *
 * @param open makes the adapter for an address and a time limit, and asks it something
 * @param healthy an answer with nothing in it
 */
export function sourceSurvivalContract(
  name: string,
  key: string,
  open: (url: string, timeout: number) => () => Promise<unknown>,
  healthy: unknown,
): void {
  survivalContract(name, (url, patience) => open(url, patience)());

  describe(`${name} that recovers (stub)`, () => {
    let stub: StubServer;
    beforeEach(async () => {
      stub = await stubServer(() => ({ body: healthy }));
    });
    afterEach(() => stub.close());

    it("is asked again after it was limited or broke for a moment", async () => {
      const ask = open(stub.url, 5_000);
      stub.next.push({ status: 429, headers: { "retry-after": "0" } }, { status: 503 });
      await expect(ask()).resolves.toBeDefined();
      expect(stub.requests).toHaveLength(3);
    });

    it("is not waited for longer than allowed, whatever patience it asks for", async () => {
      stub.next.push({ status: 429, headers: { "retry-after": "3600" } });
      const startedAt = Date.now();
      await expect(open(stub.url, 5_000)()).rejects.toThrow(/429/);
      expect(Date.now() - startedAt).toBeLessThan(2_000);
    });

    it("says which key to look at, as a failure of the source", async () => {
      stub.next.push({ status: 401 });
      const failed = open(stub.url, 5_000)();
      await expect(failed).rejects.toThrow(SourceError);
      await expect(failed).rejects.toThrow(new RegExp(`401.*${key}\\.token`));
    });

    it("tells no secret and follows no redirect", async () => {
      stub.next.push({ status: 400, body: "bad query near password=hunter2hunter2" });
      await expect(open(stub.url, 5_000)()).rejects.toThrow(/password=\[redacted/);
      stub.next.push({ status: 302, headers: { location: "http://169.254.169.254/latest/meta-data/" } });
      await expect(open(stub.url, 5_000)()).rejects.toThrow(/redirect.*final address/);
    });
  });

  it(`${name} is left alone for a while after silence (stub)`, async () => {
    const silent = await stubServer(() => null);
    const ask = open(silent.url, SHORT);
    await expect(ask()).rejects.toThrow(`${name} timed out after 0.3 s; check ${key}.url`);
    const asked = silent.requests.length;
    await expect(ask()).rejects.toThrow(/timed out/);
    expect(silent.requests).toHaveLength(asked);
    await silent.close();
  });
}
