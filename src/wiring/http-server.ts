import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Config } from "../config.ts";
import { OperatorError } from "../operator-error.ts";

export interface HttpServer {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** @throws OperatorError when the address cannot be listened on */
export async function openHttpServer(listener: RequestListener, { host, port }: Config["server"]): Promise<HttpServer> {
  const server = createServer(listener);
  await new Promise<void>((done, failed) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const remedy =
        error.code === "EADDRINUSE"
          ? "is taken; stop what uses it, or set VIGIL_PORT to a free port"
          : `cannot be used (${error.message}); set VIGIL_HOST and VIGIL_PORT`;
      failed(new OperatorError(`The address ${host}:${port} ${remedy}.`));
    });
    server.listen(port, host, done);
  });
  const { port: taken } = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return { port: taken, url: `http://${name}:${taken}`, close: () => closeServer(server) };
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((done) => server.close(done));
  server.closeAllConnections();
  await closed;
}
