import { execFileSync, spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { isPublic } from "../../../src/server/fetch.js";
import { root, temporaryFolder } from "../../support/files.js";

// Whatever these tests ask for stays on this machine: they run in a network namespace of their own, without any route, or not at all.
const unshare = process.getuid?.() === 0 ? ["--net"] : ["--net", "--map-root-user"];
const isolated =
  process.platform === "linux" && spawnSync("unshare", [...unshare, "ip", "link", "set", "lo", "up"]).status === 0;
const folder = temporaryFolder();

/** URLs and what must become of them. */
const cases: Record<string, RegExp> = {
  // The public internet, by name and by address.
  "http://picture.example/": /^a picture$/,
  "https://picture.example/": /^a picture$/,
  "http://203.0.112.7/": /^a picture$/,
  "http://down.example/": /^a picture$/,
  "http://picture.example/to?url=https://picture.example/": /^a picture$/,
  "http://picture.example/to?url=/x": /^a picture$/,
  // This machine and its network, however they are written.
  "http://127.0.0.1/": /not a public one/,
  "http://localhost/": /no address|not a public one/,
  "http://2130706433/": /not a public one/,
  "http://0x7f000001/": /not a public one/,
  "http://0177.0.0.1/": /not a public one/,
  "http://127.1/": /not a public one/,
  "http://127.0.0.1./": /not a public one/,
  "http://１２７.0.0.1/": /not a public one/,
  "http://0.0.0.0/": /not a public one/,
  "http://10.0.0.1/": /not a public one/,
  "http://192.168.1.1/": /not a public one/,
  "http://100.64.0.1/": /not a public one/,
  "http://169.254.169.254/latest/meta-data": /not a public one/,
  "http://255.255.255.255/": /not a public one/,
  "http://224.0.0.1/": /not a public one/,
  "http://[::1]/": /not a public one/,
  "http://[::]/": /not a public one/,
  "http://[::127.0.0.1]/": /not a public one/,
  "http://[::ffff:127.0.0.1]/": /not a public one/,
  "http://[::ffff:7f00:1]/": /not a public one/,
  "http://[fd00::1]/": /not a public one/,
  "http://[fe80::1]/": /not a public one/,
  "http://[64:ff9b::7f00:1]/": /not a public one/,
  "http://[2002:7f00:1::]/": /not a public one/,
  "http://metadata.example/": /not a public one/,
  "http://mixed.example/": /not a public one/,
  "http://six.example/": /not a public one/,
  "http://nowhere.example/": /no address/,
  // The same by a redirect.
  "http://picture.example/to?url=http://127.0.0.1/": /not a public one/,
  "http://picture.example/to?url=http://metadata.example/": /not a public one/,
  "http://picture.example/to?url=//[::1]/": /not a public one/,
  "http://picture.example/to?url=file:///etc/passwd": /not an http or https URL/,
  "http://picture.example/loop": /redirected too often/,
  // Other ways to be harmful.
  "http://user:password@picture.example/": /without a password/,
  "ftp://picture.example/": /not an http or https URL/,
  "https://other.example/": /the connection failed/,
  "http://picture.example/missing": /answered 404/,
  "http://picture.example/announced": /larger than 2000 bytes/,
  "http://picture.example/endless": /larger than 2000 bytes/,
  "http://picture.example/slow": /longer than 1.5 seconds/,
  "http://picture.example/silent": /longer than 1.5 seconds/,
};

test.runIf(isolated)("only public addresses are asked, and no more is read than allowed", () => {
  const [key, cert] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
  const request = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", "/CN=picture.example", "-addext", "subjectAltName=DNS:picture.example"];
  execFileSync("openssl", ["req", "-x509", ...request, ...names, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const script = path.join(root, "test/support/outside.mjs");
  const done = spawnSync(
    "unshare",
    [...unshare, process.execPath, script, JSON.stringify(Object.keys(cases)), key, cert],
    {
      encoding: "utf8",
      env: { ...process.env, OUTER_NET: readlinkSync("/proc/self/ns/net"), NODE_EXTRA_CA_CERTS: cert },
    },
  );
  expect(done.status, done.stderr).toBe(0);
  const { results, rebinding, left, held, reached, headers } = JSON.parse(done.stdout);
  for (const [url, expected] of Object.entries(cases))
    expect([url, results[url]]).toEqual([url, expect.stringMatching(expected)]);
  expect(results.own).toMatch(/not a public one/);
  // The name changes its address at each look: what was checked is what is asked.
  const refused = rebinding.filter((text: string) => /not a public one/.test(text)).length;
  const given = rebinding.filter((text: string) => text === "a picture").length;
  expect([given > 0, refused > 0, given + refused]).toEqual([true, true, 4]);
  expect(held).toBe("too much");
  expect(left).toBe("the client left");
  expect(reached).toBe(0);
  expect(Object.keys(headers).sort()).toEqual(["accept", "accept-encoding", "connection", "host", "user-agent"]);
});

test.runIf(isolated)("the script refuses to run where it could reach others", () => {
  const script = path.join(root, "test/support/outside.mjs");
  const env = { ...process.env, OUTER_NET: readlinkSync("/proc/self/ns/net") };
  const done = spawnSync(process.execPath, [script, "[]", "", ""], { encoding: "utf8", env });
  expect([done.status, done.stdout]).toEqual([1, ""]);
  expect(done.stderr).toContain("only in a network namespace of its own");
});

test("public addresses", () => {
  for (const address of ["1.1.1.1", "203.0.112.7", "2606:4700::1111"])
    expect([address, isPublic(address)]).toEqual([address, true]);
  for (const address of [
    ...[
      "",
      "x",
      "0.0.0.0",
      "10.1.2.3",
      "127.0.0.1",
      "169.254.1.1",
      "172.16.0.1",
      "192.0.0.1",
      "192.0.2.1",
      "192.88.99.1",
      "192.168.0.1",
    ],
    ...["198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "100.64.0.1"],
    ...[
      "::",
      "::1",
      "::1.2.3.4",
      "::ffff:10.0.0.1",
      "64:ff9b::1.1.1.1",
      "100::1",
      "2001::1",
      "2001:db8::1",
      "2002::1",
      "fc00::1",
      "fec0::1",
      "fe80::1",
      "ff02::1",
    ],
  ])
    expect([address, isPublic(address)]).toEqual([address, false]);
});
