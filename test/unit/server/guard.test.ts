import { expect, test } from "vitest";
import { error } from "../../../src/server/answers-schema.js";
import { fakeServer } from "../../support/server.js";

const keys = ["first key", "second"];
const guard = (more: object = {}) => ({ guard: { keys: [], hosts: [], origins: [], ...more } });
const question = { messages: [{ role: "user", content: "x" }] };

test("a key is asked for on every route but /health", async () => {
  const { app, get } = fakeServer(guard({ keys }));
  const routes = app.routes.filter(({ method }) => method === "GET" || method === "POST");
  const paths = new Set(routes.map(({ path }) => path).filter((path) => path !== "/*"));
  expect(paths.size).toBeGreaterThan(12);
  for (const { method, path } of routes.filter(({ path }) => path !== "/*" && path !== "/health")) {
    const answer = await app.request(path, { method, headers: { host: "localhost" } });
    expect([path, answer.status]).toEqual([path, 401]);
    expect(error.safeParse(await answer.json()).success || path.startsWith("/api/")).toBe(true);
  }
  expect((await get("/nowhere")).status).toBe(401);
  expect((await get("/health")).status).toBe(200);
});

test("a key comes as a bearer token, or as a password, which is how browsers ask", async () => {
  const { get } = fakeServer(guard({ keys }));
  const status = async (authorization: string) => (await get("/v1/models", { authorization })).status;
  const basic = (pair: string) => `Basic ${Buffer.from(pair).toString("base64")}`;
  for (const right of ["Bearer first key", "bearer second", basic("me:second"), basic(":first key")])
    expect([right, await status(right)]).toEqual([right, 200]);
  for (const wrong of [
    "Bearer",
    "Bearer ",
    "Bearer first",
    "Bearer second2",
    basic("second"),
    "second",
    "Digest second",
  ])
    expect([wrong, await status(wrong)]).toEqual([wrong, 401]);
  expect((await get("/v1/models")).headers.get("www-authenticate")).toBe("Bearer");
  expect((await get("/", { accept: "text/html" })).headers.get("www-authenticate")).toMatch(/^Basic /);
});

test("clients with different keys share nothing; with one key or none, all are one", async () => {
  const { post, engine } = fakeServer(guard({ keys }));
  for (const key of [...keys, keys[0]])
    await post("/v1/chat/completions", question, { headers: { authorization: `Bearer ${key}` } });
  const tenants = engine.requests.map(({ tenant }) => tenant);
  expect(tenants[0]).toMatch(/^[0-9a-f]{16}$/);
  expect(tenants[2]).toBe(tenants[0]);
  expect(tenants[1]).not.toBe(tenants[0]);
  const one = fakeServer(guard({ keys: ["key"] }));
  await one.post("/v1/chat/completions", question, { headers: { authorization: "Bearer key" } });
  expect(one.engine.requests[0]).not.toHaveProperty("tenant");
});

test("the Host header must be localhost, an address, or a name that was allowed", async () => {
  const { get } = fakeServer(guard({ hosts: ["owl.lan"] }));
  for (const host of ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "10.1.2.3", "owl.lan:80"])
    expect([host, (await get("/v1/models", { host })).status]).toEqual([host, 200]);
  for (const host of [
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example:80",
    "[::1",
    "owl.lan.",
    "a:b:80",
  ])
    expect([host, (await get("/v1/models", { host })).status]).toEqual([host, 403]);
});

test("pages of other origins may not ask, unless they were allowed; then they may read the answer", async () => {
  const { app, get } = fakeServer(guard({ origins: ["https://page.example"], keys }));
  const ask = (origin: string) => get("/health", { host: "localhost:8080", origin });
  for (const origin of ["https://evil.example", "null", "http://localhost:9090", "http://localhost"])
    expect([origin, (await ask(origin)).status]).toEqual([origin, 403]);
  expect((await ask("http://localhost:8080")).status).toBe(200);
  const allowed = await ask("https://page.example");
  expect(allowed.status).toBe(200);
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://page.example");
  expect((await ask("http://localhost:8080")).headers.get("access-control-allow-origin")).toBeNull();
  const before = await app.request("/v1/chat/completions", {
    method: "OPTIONS",
    headers: { host: "localhost", origin: "https://page.example", "access-control-request-method": "POST" },
  });
  expect([before.status, before.headers.get("access-control-allow-origin")]).toEqual([204, "https://page.example"]);
});
