/** Fetches media that requests name by address, from public addresses only: a server must not be a way into the network that it stands in. */
import { lookup as systemLookup } from "node:dns";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import { Agent, buildConnector, request } from "undici";
import { ApiError } from "./errors.js";

export interface FetchOptions {
  /** Bytes of an answer at most. */
  bytes: number;
  /** Milliseconds for all of it, redirects included. */
  timeoutMs: number;
  /** Resolves names; default: the system's way. */
  lookup?: typeof systemLookup;
  /** Addresses that are this machine's, which are refused however public they are. */
  ownAddresses?: () => string[];
}

/** On whose behalf something is fetched. */
export interface FetchFor {
  signal: AbortSignal;
  /** Counts bytes to the request. Throws when it has too many. */
  hold(bytes: number): void;
}

/** `name` is what errors call the medium, `param` where the request has it. */
export type Fetch = (url: string, name: string, param: string, request: FetchFor) => Promise<Uint8Array>;

const maxRedirects = 3;

class Refused extends Error {}

export function createFetch({
  bytes,
  timeoutMs,
  lookup = systemLookup,
  ownAddresses = interfaceAddresses,
}: FetchOptions): Fetch {
  const connect = buildConnector({ timeout: Math.min(timeoutMs, 5000) });
  const isAllowed = (address: string): boolean => isPublic(address) && !ownAddresses().includes(normal(address));

  /**
   * Checks every address right where the connection is made, so that a name can't change its address between check and use. undici asks `lookup`
   * for names only; an address in the URL would pass by it.
   */
  const guarded: buildConnector.connector = (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, "");
    const refuse = (): void => callback(new Refused("its address is not a public one"), null);
    if (isIP(host)) return isAllowed(host) ? connect(options, callback) : refuse();
    lookup(host, { all: true }, (error, addresses) => {
      if (error) return callback(new Refused("its name has no address"), null);
      if (addresses.length === 0 || !addresses.every(({ address }) => isAllowed(address))) return refuse();
      const tryNext = (at: number): void => {
        const hostname = addresses[at]?.address as string;
        connect({ ...options, hostname, servername: options.servername ?? host }, (...result) => {
          if (result[0] && at + 1 < addresses.length) tryNext(at + 1);
          else callback(...(result as Parameters<typeof callback>));
        });
      };
      tryNext(0);
    });
  };
  // A proxy would resolve names itself, so that the check would be void: none is used, whatever the environment says.
  const dispatcher = new Agent({ connect: guarded, keepAliveTimeout: 1000, connections: 8 });

  return async (address, name, param, { signal, hold }) => {
    const fail = (why: string): ApiError =>
      new ApiError(400, "media_not_fetched", `${name} can't be fetched: ${why}.`, { param });
    const either = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    let url = parseUrl(address);
    try {
      for (let redirects = 0; ; redirects++) {
        if (!url) throw new Refused("its address is not an http or https URL without a password");
        const { statusCode, headers, body } = await request(url, {
          dispatcher,
          signal: either,
          headers: { accept: "image/*, video/*", "accept-encoding": "identity", "user-agent": "owl3" },
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        });
        const { location } = headers;
        if (statusCode >= 300 && statusCode < 400 && typeof location === "string") {
          body.on("error", () => {}).destroy();
          if (redirects === maxRedirects) throw new Refused("it is redirected too often");
          url = parseUrl(location, url);
          continue;
        }
        if (statusCode !== 200) {
          body.on("error", () => {}).destroy();
          throw new Refused(`its server answered ${statusCode}`);
        }
        return await read(body, Number(headers["content-length"] ?? 0), bytes, hold);
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ApiError) throw error;
      if (error instanceof Refused) throw fail(error.message);
      if (either.aborted) throw fail(`it took longer than ${timeoutMs / 1000} seconds`);
      throw fail("the connection failed");
    }
  };
}

/** Whether an address is one of the public internet. */
export function isPublic(address: string): boolean {
  if (!isIP(address)) return false;
  const parsed = parse(address);
  if (parsed.range() !== "unicast") return false;
  // ::a.b.c.d, deprecated, stands for an IPv4 address; ipaddr.js takes it for a public one.
  return (
    parsed.kind() === "ipv4" ||
    parsed
      .toByteArray()
      .slice(0, 12)
      .some((byte) => byte !== 0)
  );
}

/** Parses an address; ::ffff:a.b.c.d becomes the IPv4 address that it is. URL's form has no dots: of ::a.b.c.d, ipaddr.js would make another address. */
function parse(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const plain = address.replace(/%.*$/, "");
  return ipaddr.process(isIP(plain) === 6 ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : plain);
}

const normal = (address: string): string => parse(address).toNormalizedString();

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => normal(address)));
}

function parseUrl(text: string, base?: URL): URL | undefined {
  if (!URL.canParse(text, base?.href)) return undefined;
  const url = new URL(text, base);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" ? url : undefined;
}

async function read(
  body: AsyncIterable<Uint8Array>,
  announced: number,
  limit: number,
  hold: FetchFor["hold"],
): Promise<Uint8Array> {
  const tooLarge = new Refused(`it is larger than ${limit} bytes`);
  if (announced > limit) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge; // leaving the loop ends the connection
    hold(chunk.byteLength);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
