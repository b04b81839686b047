import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type Postgres, startPostgres } from "./postgres.ts";

/** Where state may live; each call of `fresh` gives an empty place of its own that several connections can open. */
export interface Places {
  readonly name: string;
  start(): Promise<void>;
  fresh(): Promise<string>;
  stop(): Promise<void>;
}

export const sqliteFiles: Places = {
  name: "SQLite",
  start: async () => {},
  fresh: async () => join(mkdtempSync(join(tmpdir(), "vigil-state-")), "vigil.db"),
  stop: async () => {},
};

/** A real PostgreSQL server; every place is a database on it. */
export function postgresDatabases(): Places {
  let server: Postgres | null = null;
  let count = 0;
  return {
    name: "PostgreSQL",
    start: async () => {
      server = await startPostgres();
    },
    fresh: async () => {
      if (!server) throw new Error("the PostgreSQL server has not been started");
      const name = `state_${++count}`;
      const client = new pg.Client(server.url);
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return server.url.replace(/\/postgres$/, `/${name}`);
    },
    stop: async () => server?.stop(),
  };
}
