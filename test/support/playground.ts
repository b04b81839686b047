import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ANA, BOT, CHANNEL, TENANT } from "./fake-teams.ts";

const person = (name: string) => ({
  id: `29:${name.toLowerCase()}`,
  name,
  userPrincipleName: `${name.toLowerCase()}@example.com`,
  aadObjectId: `aad-${name.toLowerCase()}`,
  givenName: name,
  surname: "Example",
  email: `${name.toLowerCase()}@example.com`,
});

/** Microsoft's own stand-in for Teams, in a process of its own: the Microsoft 365 Agents Playground, with our people and our channel. */
export interface Playground {
  readonly url: string;
  readonly host: string;
  readonly serviceUrl: string;
  /** What it said, for a failing test. */
  log(): string;
  stop(): Promise<void>;
}

/** @param endpoint where the bot listens */
export async function startPlayground(endpoint: string, port: number): Promise<Playground> {
  const folder = mkdtempSync(join(tmpdir(), "vigil-playground-"));
  writeFileSync(
    join(folder, ".m365agentsplayground.yml"),
    JSON.stringify({
      version: "0.1.1",
      tenantId: TENANT,
      bot: BOT,
      currentUser: person(ANA.name),
      // It wants five.
      users: ["Ben", "Cal", "Dee", "Eve", "Fay"].map(person),
      personalChat: { id: "a:1-ana" },
      groupChat: { id: "19:group@thread.v2", name: "Group" },
      team: {
        id: "19:team@thread.tacv2",
        name: "Team",
        aadGroupId: "00000000-0000-4000-8000-000000000031",
        channels: [{ id: CHANNEL, name: "Incidents" }],
      },
    }),
  );
  // It opens a browser of its own with this command, and ends when there is none.
  writeFileSync(join(folder, "xdg-open"), "#!/bin/sh\n", { mode: 0o755 });
  const host = `127.0.0.1:${port}`;
  const serviceUrl = `http://${host}/_connector`;
  const cli = createRequire(import.meta.url).resolve("@microsoft/m365agentsplayground/cli.js");
  const options = ["-e", endpoint, "-c", "msteams", "-p", String(port), "--service-url", serviceUrl, "--disable-telemetry"];
  const child = spawn(process.execPath, [cli, "start", ...options], {
    cwd: folder,
    env: { ...process.env, PATH: `${folder}:${process.env.PATH ?? ""}` },
    stdio: "ignore",
  });
  const log = () => readFileSync(join(folder, "devTools/m365agentsplayground.log"), "utf8");
  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://${host}/`, { signal: AbortSignal.timeout(2_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (up) break;
    if (tries > 150 || child.exitCode !== null) throw new Error(`The Playground did not start:\n${log().slice(-2_000)}`);
    await new Promise((done) => setTimeout(done, 200));
  }
  return {
    url: `http://${host}/`,
    host,
    serviceUrl,
    log,
    stop: async () => {
      if (child.exitCode === null) {
        const gone = once(child, "exit");
        child.kill();
        await gone;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
