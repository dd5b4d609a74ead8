import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { systemReason, UserError } from "../errors.js";
import type { App } from "./call.js";
import type { Dispatcher } from "./dispatcher.js";

export interface Listening {
  /** Where it is reached, with the port that was chosen. */
  url: string;
  /** Takes no more connections and lets running requests end, at most for `ms`. */
  close(ms: number): Promise<void>;
}

export interface ListenOptions {
  host: string;
  /** 0: any that is free. */
  port: number;
  maxConnections?: number;
}

/** Listens on a port. Throws UserError when that is not possible. */
export async function listen(
  app: App,
  dispatcher: Dispatcher,
  { host, port, maxConnections = 512 }: ListenOptions,
): Promise<Listening> {
  const server = serve({
    fetch: app.fetch,
    hostname: host,
    port,
    serverOptions: {
      // Clients keep connections open; those that Node closes after 5 seconds race with their next request.
      keepAliveTimeout: 75_000,
      headersTimeout: 10_000,
      requestTimeout: 300_000,
      connectionsCheckingInterval: 5000,
      maxHeaderSize: 16 * 1024,
    },
  }) as Server;
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error: NodeJS.ErrnoException) => reject(refused(error, host, port)));
  });
  const address = server.address();
  const actual = typeof address === "object" && address ? address.port : port;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name}:${actual}`,
    close: async (ms) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // A connection that idles would keep the server open; each becomes idle when its answer is over.
      const idle = setInterval(() => server.closeIdleConnections(), 100);
      await dispatcher.drain(ms);
      const last = setTimeout(() => server.closeAllConnections(), 1000);
      await closed;
      clearInterval(idle);
      clearTimeout(last);
    },
  };
}

function refused(error: NodeJS.ErrnoException, host: string, port: number): UserError {
  const why =
    error.code === "EADDRINUSE"
      ? "another program uses it already"
      : error.code === "EACCES"
        ? "this user may not use it"
        : error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND"
          ? "this machine has no such address"
          : systemReason(error);
  return new UserError(`${host}:${port} can't be listened on: ${why}.`, undefined, { cause: error });
}
