#!/usr/bin/env node
/**
 * A registry for a test: it serves the tarballs of a folder as npm's registry would once they are published, and sends
 * everything else to the registry that npm is set to.
 *
 *   node tools/packages/registry.mjs FOLDER      prints its address and serves until it is stopped
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const folder = process.argv[2];
const upstream = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();

/** The packages of the folder by name: their package.json, which stands in the tarball, and the tarball's hash. */
const packages = new Map();
for (const file of readdirSync(folder).filter((name) => name.endsWith(".tgz"))) {
  const tarball = path.join(folder, file);
  const manifest = JSON.parse(execFileSync("tar", ["-xzOf", tarball, "package/package.json"]));
  const integrity = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
  packages.set(manifest.name, { file, manifest, integrity });
}

const server = createServer((request, response) => {
  const url = decodeURIComponent(request.url.slice(1));
  const origin = `http://${request.headers.host}`;
  const found = packages.get(url);
  if (found) {
    const { file, manifest, integrity } = found;
    const version = { ...manifest, dist: { tarball: `${origin}/tarballs/${file}`, integrity } };
    const versions = { [manifest.version]: version };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name: url, "dist-tags": { latest: manifest.version }, versions }));
  } else if (url.startsWith("tarballs/")) {
    const one = [...packages.values()].find(({ file }) => file === url.slice("tarballs/".length));
    response.statusCode = one ? 200 : 404;
    response.end(one && readFileSync(path.join(folder, one.file)));
  } else if (url === "owl3" || url.startsWith("@owl3/")) {
    response.statusCode = 404; // not built, hence not published: npm passes over an optional package that is missing
    response.end("{}");
  } else {
    response.writeHead(302, { location: new URL(request.url.slice(1), upstream).href });
    response.end();
  }
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
