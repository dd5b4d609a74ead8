/**
 * Fetches hostile and harmless URLs in a network namespace of its own, where local servers play the outside, and prints what became of each as
 * JSON: test/unit/server/fetch.test.ts starts it. It refuses to run where it could reach anything else.
 * Usage: outside.mjs URLS-AS-JSON KEY.pem CERT.pem
 */
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const interfaces = readFileSync("/proc/self/net/dev", "utf8").split("\n").slice(2).filter(Boolean);
if (readlinkSync("/proc/self/ns/net") === process.env.OUTER_NET || interfaces.some((line) => !/^\s*lo:/.test(line))) {
  console.error("This runs only in a network namespace of its own (unshare --net): it would ask servers of others.");
  process.exit(1);
}
const [urls, key, cert] = process.argv.slice(2);
const outside = "203.0.112.7";
const inside = ["169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1"];
const ip = (...args) => execFileSync("ip", args);
ip("link", "set", "lo", "up");
for (const address of [outside, ...inside]) ip("addr", "add", `${address}/32`, "dev", "lo");
ip("-6", "addr", "add", "fd00::1/128", "dev", "lo", "nodad");

let reached = 0;
const servers = [];
const listen = (server, port, address) =>
  new Promise((resolve, reject) => {
    servers.push(server);
    server.once("error", reject).listen(port, address, resolve);
  });
for (const address of ["127.0.0.1", "::1", "fd00::1", ...inside]) {
  const server = http.createServer((_, response) => response.end("secret"));
  server.on("connection", () => reached++);
  await listen(server, 80, address);
}
const asked = [];
const site = (request, response) => {
  asked.push(request.headers);
  const { pathname, searchParams } = new URL(request.url, "http://x");
  const dribble = (bytes, ms) => {
    const timer = setInterval(() => response.write(Buffer.alloc(bytes)), ms);
    response.on("close", () => clearInterval(timer));
  };
  if (pathname === "/to") response.writeHead(302, { location: searchParams.get("url") }).end();
  else if (pathname === "/loop") response.writeHead(302, { location: "/loop" }).end();
  else if (pathname === "/missing") response.writeHead(404).end("nothing here");
  else if (pathname === "/announced") response.writeHead(200, { "content-length": "5000" }).end(Buffer.alloc(5000));
  else if (pathname === "/endless") dribble(500, 5);
  else if (pathname === "/slow") dribble(1, 100);
  else if (pathname !== "/silent") response.writeHead(200, { connection: "close" }).end("a picture");
};
await listen(http.createServer(site), 80, outside);
await listen(https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, site), 443, outside);

const { ApiError } = await import("../../dist/server/errors.js");
const { createFetch } = await import("../../dist/server/fetch.js");
const addresses = {
  "picture.example": [outside],
  "other.example": [outside],
  "metadata.example": ["169.254.169.254"],
  "mixed.example": [outside, "10.0.0.1"],
  "six.example": ["::ffff:127.0.0.1"],
  "down.example": ["203.0.112.250", outside],
};
let asks = 0;
const lookup = (name, _options, done) => {
  const rebound = asks++ % 2 === 0 ? [outside] : ["127.0.0.1"];
  const found = name === "rebinding.example" ? rebound : addresses[name];
  if (found)
    done(
      null,
      found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  else done(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), []);
};
process.env.HTTP_PROXY = process.env.http_proxy = process.env.HTTPS_PROXY = "http://127.0.0.1:80";
const limits = { bytes: 2000, timeoutMs: 1500, lookup };
const any = createFetch({ ...limits, ownAddresses: () => [] });
const request = { signal: new AbortController().signal, hold: () => {} };
const outcome = async (url, fetch = any) => {
  try {
    return Buffer.from(await fetch(url, "picture 1", "p", request)).toString();
  } catch (error) {
    return `${error.status} ${error.message}`;
  }
};
const results = {};
for (const url of JSON.parse(urls)) results[url] = await outcome(url);
results.own = await outcome(`http://${outside}/`, createFetch(limits));
const rebinding = [];
asks = 0;
for (let i = 0; i < 4; i++) rebinding.push(await outcome("http://rebinding.example/"));
const full = {
  ...request,
  hold: () => {
    throw new ApiError(413, "body_too_large", "too much");
  },
};
const held = await any("http://picture.example/", "picture 1", "p", full).catch((error) => error.message);
const leave = new AbortController();
setTimeout(() => leave.abort(new Error("the client left")), 100);
const left = await any("http://picture.example/silent", "picture 1", "p", { ...request, signal: leave.signal }).catch(
  (error) => error.message,
);
console.log(JSON.stringify({ results, rebinding, left, held, reached, headers: asked[0] }));
process.exit(0);
