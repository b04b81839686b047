import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A bare repository in which `checkout` went from 1.4.0 to 1.4.1, and a person who works on it from a clone of theirs. */
export function bareRepository(): {
  readonly root: string;
  readonly bare: string;
  commit(version: string, beside?: string): void;
  log(): string;
} {
  const root = mkdtempSync(join(tmpdir(), "vigil-git-"));
  const bare = join(root, "deployments.git");
  const work = join(root, "jonas");
  const git = (folder: string, ...args: string[]) =>
    execFileSync("git", ["-C", folder, "-c", "user.name=Jonas Weber", "-c", "user.email=jonas@shop.example", ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  execFileSync("git", ["init", "-q", "--bare", "-b", "main", bare]);
  execFileSync("git", ["clone", "-q", bare, work], { stdio: "ignore" });
  const folder = join(work, "environments/production");
  mkdirSync(folder, { recursive: true });
  const commit = (version: string, beside?: string) => {
    if (beside === undefined) git(work, "pull", "-q", "--rebase", "origin", "main");
    writeFileSync(join(folder, "checkout.yaml"), `# shipped by the pipeline\nservice: checkout\nversion: "${version}"\n`);
    if (beside) writeFileSync(join(work, "NOTES.md"), beside);
    git(work, "add", ".");
    git(work, "commit", "-q", "-m", `checkout ${version}`);
    git(work, "push", "-q", "origin", "HEAD:main");
  };
  commit("1.4.0", "first");
  commit("1.4.1", "second");
  return { root, bare, commit, log: () => git(bare, "log", "--format=%an <%ae> %s%n%b", "main") };
}

/** Serves the repositories below a folder as a git host does: the smart HTTP protocol by git's own `http-backend`, with basic authentication. */
export async function gitHttpServer(options: { readonly root: string; readonly username: string; readonly token: string }) {
  const wanted = `Basic ${Buffer.from(`${options.username}:${options.token}`).toString("base64")}`;
  /** Set to make the server do the work and then break off before it has answered. */
  const state = { loseAnswers: false };
  const server = createServer((request, response) => {
    if (request.headers.authorization !== wanted) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    const url = new URL(request.url ?? "/", "http://git");
    const backend = spawn("git", ["http-backend"], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: options.root,
        GIT_HTTP_EXPORT_ALL: "1",
        REMOTE_USER: options.username,
        REQUEST_METHOD: request.method,
        PATH_INFO: decodeURIComponent(url.pathname),
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        HTTP_GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      },
    });
    request.pipe(backend.stdin);
    const chunks: Buffer[] = [];
    backend.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    backend.on("close", () => {
      if (state.loseAnswers && url.pathname.endsWith("/git-receive-pack")) return request.socket.destroy();
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf("\r\n\r\n");
      const headers = answer.subarray(0, end).toString("latin1").split("\r\n");
      let status = 200;
      for (const header of headers) {
        const [name = "", value = ""] = header.split(/:\s*/, 2);
        if (name === "Status") status = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.writeHead(status).end(answer.subarray(end + 4));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
