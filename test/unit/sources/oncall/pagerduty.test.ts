import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PagerDutyOnCall } from "../../../../src/sources/oncall/pagerduty.ts";
import { stubPagerDuty } from "../../../support/stub-pagerduty.ts";

const AT = Date.parse("2026-03-04T12:00:00Z");
const ada = { id: "PADA", name: "Ada", email: "ada@example.org" };
const ben = { id: "PBEN", name: "Ben", email: "ben@example.org" };

let stub: Awaited<ReturnType<typeof stubPagerDuty>>;
beforeEach(async () => {
  stub = await stubPagerDuty({ token: "read-only-key", routingKey: "r" });
});
afterEach(() => stub.close());
const source = (schedules: Record<string, string[]> = {}, token = "read-only-key") =>
  new PagerDutyOnCall({ token, url: stub.url, schedules });

describe("who is on call by PagerDuty (stub)", () => {
  it("asks for this moment, and puts the first level first", async () => {
    stub.put(ben, "PSHOP", 2, null);
    stub.put(ada, "PSHOP", 1);
    stub.put(ada, "PSHOP", 3);
    expect(await source().onCall(null, AT)).toEqual([
      {
        name: "Ada",
        schedule: "Schedule PSHOP",
        until: Date.parse("2026-03-09T08:00:00Z"),
        email: ada.email,
        slackId: null,
        level: 1,
      },
      { name: "Ben", schedule: "Schedule PSHOP", until: null, email: ben.email, slackId: null, level: 2 },
    ]);
    const asked = new URL(stub.requests[0]?.split(" ")[1] ?? "", stub.url).searchParams;
    expect(Object.fromEntries(asked)).toEqual({
      "include[]": "users",
      since: "2026-03-04T12:00:00.000Z",
      until: "2026-03-04T12:00:01.000Z",
      limit: "100",
      offset: "0",
    });
  });

  it("looks at the schedules of the service, else at those for the rest", async () => {
    stub.put(ada, "PPAY");
    stub.put(ben, "PREST");
    const both = source({ payments: ["PPAY"], "*": ["PREST"] });
    expect((await both.onCall("payments", AT)).map(({ name }) => name)).toEqual(["Ada"]);
    expect((await both.onCall("search", AT)).map(({ name }) => name)).toEqual(["Ben"]);
    expect((await both.onCall(null, AT)).map(({ name }) => name)).toEqual(["Ada", "Ben"]);
  });

  it("reads on through the pages", async () => {
    for (let at = 0; at < 230; at++) stub.put({ id: `P${at}`, name: `N${at}`, email: `n${at}@example.org` }, "PSHOP");
    expect(await source().onCall(null, AT)).toHaveLength(230);
    expect(stub.requests).toHaveLength(3);
  });

  it("says what is wrong and which key to check", async () => {
    await expect(source({}, "wrong").onCall(null, AT)).rejects.toThrow(/401.*onCall\.pagerDuty\.token/);
    stub.faults.push({ status: 429, body: "{}" }, { status: 500, body: "oops" }, { status: 200, body: "<html>" });
    await expect(source().onCall(null, AT)).rejects.toThrow(/429/);
    await expect(source().onCall(null, AT)).rejects.toThrow(/500/);
    await expect(source().onCall(null, AT)).rejects.toThrow(/not JSON/);
    stub.faults.push({ status: 200, body: '{"oncalls":[{"user":null}]}' });
    await expect(source().onCall(null, AT)).rejects.toThrow(/unknown shape \(oncalls\.0\.user\)/);
    stub.close();
    await expect(source().onCall(null, AT)).rejects.toThrow(/cannot be reached.*onCall\.pagerDuty\.apiUrl/);
  });
});
