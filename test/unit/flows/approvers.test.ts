import { describe, expect, it } from "vitest";
import type { OnCallPerson } from "../../../src/domain/oncall.ts";
import { type ApproverRules, Approvers } from "../../../src/flows/approvers.ts";
import { proposal } from "../../support/chat-samples.ts";

const nobody: ReadonlySet<string> = new Set();

function approvers(slack: ApproverRules | null, now = () => 0) {
  return new Approvers({ rules: slack ? { slack } : {}, now, timeout: 50 });
}

const onCall = (service: string, slackId: string | null): ApproverRules => ({
  users: nobody,
  onCall: {
    source: {
      onCall: async (asked): Promise<OnCallPerson[]> =>
        asked === service || asked === null ? [{ name: "Ana", schedule: "s", until: null, email: null, slackId, level: 1 }] : [],
    },
    id: (person) => person.slackId,
  },
});

describe("who may approve", () => {
  it("15: nobody, where nothing is configured", async () => {
    expect(await approvers(null).mayApprove("slack:U1", proposal())).toBe(false);
    expect(await approvers({ users: nobody }).mayApprove("slack:U1", proposal())).toBe(false);
    for (const actor of ["", "slack:", "slack", ":U1", "teams:U1"])
      expect(await approvers({ users: new Set(["U1", ""]) }).mayApprove(actor, proposal()), actor).toBe(false);
  });

  it("the people who are listed, the members of a group, whoever is on call for the service that is acted upon", async () => {
    expect(await approvers({ users: new Set(["U1"]) }).mayApprove("slack:U1", proposal())).toBe(true);
    const group = approvers({ users: nobody, members: async () => new Set(["U2"]) });
    expect(await group.mayApprove("slack:U2", proposal())).toBe(true);
    expect(await group.mayApprove("slack:U1", proposal())).toBe(false);
    const duty = approvers(onCall("cart", "U3"));
    expect(await duty.mayApprove("slack:U3", proposal({ target: "deploy:cart" }))).toBe(true);
    expect(await duty.mayApprove("slack:U3", proposal({ target: "deploy:search" }))).toBe(false);
    expect(await duty.mayApprove("slack:U3", proposal({ target: "flag:x", criterion: null }))).toBe(false);
    expect(await duty.mayApprove("slack:U3", null)).toBe(true);
    expect(await approvers(onCall("cart", null)).mayApprove("slack:null", proposal({ target: "deploy:cart" }))).toBe(false);
  });

  it("15: a lookup that fails or never ends is no yes, and is asked again the next time", async () => {
    let fail = true;
    const failing = approvers({
      users: nobody,
      members: () => (fail ? Promise.reject(new Error("503")) : Promise.resolve(new Set(["U1"]))),
    });
    await expect(failing.mayApprove("slack:U1", proposal())).rejects.toThrow("503");
    fail = false;
    expect(await failing.mayApprove("slack:U1", proposal())).toBe(true);
    const hanging = approvers({ users: nobody, members: () => new Promise(() => {}) });
    await expect(hanging.mayApprove("slack:U1", proposal())).rejects.toThrow(/not answered within 50 ms/);
  });

  it("16: whoever leaves the group may not approve a minute later", async () => {
    let now = 0;
    let asked = 0;
    let members = new Set(["U1"]);
    const group = approvers(
      {
        users: nobody,
        members: async () => {
          asked++;
          return members;
        },
      },
      () => now,
    );
    expect(await group.mayApprove("slack:U1", proposal())).toBe(true);
    members = new Set();
    now = 59_999;
    expect(await group.mayApprove("slack:U1", proposal())).toBe(true);
    expect(asked).toBe(1);
    now = 60_000;
    expect(await group.mayApprove("slack:U1", proposal())).toBe(false);
  });
});
