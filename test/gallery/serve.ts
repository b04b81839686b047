import type { AddressInfo } from "node:net";
import { galleryApp } from "./app.ts";

/** `npm run gallery`: every card in all states, for the three surfaces side by side. */
const server = galleryApp(Date.now()).listen(Number(process.env.PORT ?? 4_173), "127.0.0.1", () => {
  process.stdout.write(`The gallery: http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
server.on("error", (error: NodeJS.ErrnoException) => {
  const remedy = error.code === "EADDRINUSE" ? "the port is taken; set PORT to a free one" : error.message;
  process.stderr.write(`The gallery cannot be served: ${remedy}.\n`);
  process.exitCode = 1;
});
