import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { onCallOf, parseRota, RotaFile } from "../../../../src/sources/oncall/rota.ts";

const weekly = `
timeZone: Europe/Berlin
people:
  - { name: Ada, email: ada@example.org, slack: U0ADA }
  - { name: Ben }
  - { name: Cleo }
schedules:
  - name: primary
    start: 2026-03-02T09:00
    length: 1w
    rotation: [Ada, Ben, Cleo]
    overrides:
      - { from: 2026-03-11T18:00, to: 2026-03-12T09:00, person: Cleo }
  - name: payments
    services: [payments]
    start: 2026-03-02
    length: 12h
    rotation: [Ben, Cleo]
    timeZone: UTC
  - name: payments backup
    services: [payments]
    level: 2
    start: 2026-03-02
    length: 1d
    rotation: [Ada]
`;
const rota = parseRota(weekly, "rota.yaml");
const at = (text: string) => Date.parse(text);
const who = (service: string | null, time: string) => onCallOf(rota, service, at(time)).map(({ name }) => name);

describe("a rota in a file", () => {
  it("turns go round, and change at the hour of the start", () => {
    expect(who("search", "2026-03-02T07:59:59Z")).toEqual([]);
    expect(who("search", "2026-03-02T08:00:00Z")).toEqual(["Ada"]);
    expect(who("search", "2026-03-09T07:59:59Z")).toEqual(["Ada"]);
    expect(who("search", "2026-03-09T08:00:00Z")).toEqual(["Ben"]);
    expect(who("search", "2026-03-16T08:00:00Z")).toEqual(["Cleo"]);
    expect(who("search", "2026-03-23T08:00:00Z")).toEqual(["Ada"]);
  });

  it("after the clocks change it is still nine in the morning, one hour earlier by UTC, and later again in autumn", () => {
    expect(who("search", "2026-03-30T06:59:59Z")).toEqual(["Ada"]);
    expect(who("search", "2026-03-30T07:00:00Z")).toEqual(["Ben"]);
    // 34 weeks after the start: 34 mod 3 is 1.
    expect(who("search", "2026-10-26T07:59:59Z")).toEqual(["Ada"]);
    expect(who("search", "2026-10-26T08:00:00Z")).toEqual(["Ben"]);
  });

  it("an override wins while it lasts, and duty is told only up to it", () => {
    expect(onCallOf(rota, "search", at("2026-03-11T16:00:00Z"))).toMatchObject([
      { name: "Ben", until: at("2026-03-11T17:00:00Z"), schedule: "primary" },
    ]);
    expect(onCallOf(rota, "search", at("2026-03-11T17:00:00Z"))).toMatchObject([
      { name: "Cleo", until: at("2026-03-12T08:00:00Z") },
    ]);
    expect(who("search", "2026-03-12T08:00:00Z")).toEqual(["Ben"]);
  });

  it("a service's own schedules go before those for all, first level first, each in its zone", () => {
    expect(who("payments", "2026-03-02T11:59:59Z")).toEqual(["Ben", "Ada"]);
    expect(who("payments", "2026-03-02T12:00:00Z")).toEqual(["Cleo", "Ada"]);
    expect(who(null, "2026-03-02T12:00:00Z")).toEqual(["Ada", "Cleo", "Ada"]);
    expect(onCallOf(rota, "search", at("2026-03-02T12:00:00Z"))[0]).toMatchObject({ email: "ada@example.org", slackId: "U0ADA" });
  });

  it("says which key is wrong", () => {
    const wrong = (change: (text: string) => string) => () => parseRota(change(weekly), "rota.yaml");
    expect(wrong((text) => text.replace("Europe/Berlin", "Berlin"))).toThrow(/timeZone must be an IANA time zone/);
    expect(wrong((text) => text.replace("length: 1w", "length: weekly"))).toThrow(
      /schedules\.0\.length must be hours, days or weeks/,
    );
    expect(wrong((text) => text.replace("[Ada, Ben, Cleo]", "[Ada, Dan]"))).toThrow(
      /\(primary\) names Dan, who is not under people/,
    );
    expect(wrong((text) => text.replace("to: 2026-03-12", "to: 2026-03-10"))).toThrow(/overrides\.0 ends at .* before it begins/);
    expect(wrong((text) => text.replace("2026-03-02T09:00", "2026-02-30T09:00"))).toThrow(/schedules\.0\.start is no such day/);
    expect(wrong((text) => text.replace("people:", "people"))).toThrow(/not valid YAML|not a rota/);
  });

  it("is read anew when it is asked, and says so when it is not there", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-rota-")), "rota.yaml");
    const source = new RotaFile(file);
    await expect(source.onCall(null, at("2026-03-02T12:00:00Z"))).rejects.toThrow(/cannot be read.*onCall\.file/);
    writeFileSync(file, weekly);
    expect((await source.onCall("search", at("2026-03-02T12:00:00Z")))[0]?.name).toBe("Ada");
    writeFileSync(file, weekly.replace("[Ada, Ben, Cleo]", "[Cleo]"));
    expect((await source.onCall("search", at("2026-03-02T12:00:00Z")))[0]?.name).toBe("Cleo");
  });
});
