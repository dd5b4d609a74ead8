import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../support/files.js";
import { Served } from "../support/serve.js";

// The page in a real browser: Debian's chromium, where it is installed.
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const example = (name: string) => path.join(root, "examples", name);

describe.runIf(existsSync(executablePath))("the page", () => {
  let browser: Browser;
  let served: Served;
  /** Requests of the page to elsewhere, and lines on its console. */
  const outside: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    served = await Served.start();
  });
  afterAll(() => browser?.close());

  async function open(server = served, more: object = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 900, height: 700 }, ...more });
    const page = await context.newPage();
    page.on("request", (request) => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith("data:")) outside.push(request.url());
    });
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(server.url);
    return page;
  }
  const answer = (page: Page, n = 0) => page.locator("article.assistant").nth(n).locator("p").first();
  const times = (page: Page, n = 0) => page.locator("article.assistant").nth(n).locator(".times");

  test("a picture is chosen, shown and asked about; the answer comes with its times; a further question knows it", async () => {
    const page = await open();
    await page.locator("#model", { hasText: "owl3-demo" }).waitFor();
    await page.setInputFiles("#files", example("shapes.png"));
    const preview = page.locator("#media img");
    await preview.waitFor();
    expect(await preview.evaluate((img) => (img as unknown as { naturalWidth: number }).naturalWidth)).toBeGreaterThan(
      0,
    );
    await page.fill("#question", "What is in this picture?");
    await page.press("#question", "Enter");
    await times(page, 0).filter({ hasText: "7 crops" }).waitFor();
    await answer(page).filter({ hasText: "bottom right." }).waitFor();
    expect(await answer(page).textContent()).toBe(
      "A large red circle at the top left, a small blue star in the center and a large green ring at the bottom right.",
    );
    expect(await times(page).textContent()).toMatch(
      /^media [\d.]+ s · vision [\d.]+ s · prompt [\d.]+ s · answer [\d.]+ s · 26 tokens · 7 crops$/,
    );
    expect(await page.locator("article.user img").count()).toBe(1);
    expect(await page.locator("#media img").count()).toBe(0);
    await page.fill("#question", "What color is the star?");
    await page.click("#send");
    await times(page, 1).filter({ hasText: "crops" }).waitFor();
    await answer(page, 1).filter({ hasText: /blue/i }).waitFor();
  });

  test("a clip is dropped and asked about; a medium can be left out again; other files are refused", async () => {
    const page = await open();
    await page.setInputFiles("#files", [example("before.png"), example("questions.jsonl")]);
    const clip = readFileSync(example("moving.mp4")).toString("base64");
    const dropped = await page.evaluateHandle(`
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob("${clip}"), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], "moving.mp4", { type: "video/mp4" }));
      transfer;
    `);
    await page.dispatchEvent("body", "drop", { dataTransfer: dropped });
    await page.locator("article .wrong", { hasText: "questions.jsonl is neither a picture nor a clip." }).waitFor();
    await page.locator("#media video").waitFor();
    await page.getByTitle("Leave out before.png").click();
    expect(await page.locator("#media figure").count()).toBe(1);
    await page.fill("#question", "What happens?");
    await page.click("#send");
    await times(page).filter({ hasText: "crops" }).waitFor();
    await answer(page)
      .filter({ hasText: /^A red circle moves to the right\.$/ })
      .waitFor();
  });

  test("while the vision tower works the page says how far it is", async () => {
    const page = await open();
    // A stream that says so and then nothing.
    await page.evaluate(`
      const real = fetch;
      const told = new ReadableStream({
        start: (out) => out.enqueue(new TextEncoder().encode(": vision 2/16\\n\\n: vision 3/16\\n\\n")),
      });
      globalThis.fetch = (url, init) => (url === "v1/chat/completions" ? Promise.resolve(new Response(told)) : real(url, init));
    `);
    await page.fill("#question", "What happens?");
    await page.click("#send");
    await times(page)
      .filter({ hasText: /^looking, 3 of 16 crops, [\d.]+ s$/ })
      .waitFor();
  });

  test("stop ends an answer in the middle, on the server as well; text of the model is text", async () => {
    const page = await open();
    // The page asks as its user does, but for an answer that is hot and can't end by itself for some seconds.
    const schema = { type: "string", minLength: 100_000 };
    const format = { response_format: { type: "json_schema", json_schema: { name: "long", schema } } };
    await page.route("**/v1/chat/completions", async (route) => {
      const body = { ...route.request().postDataJSON(), temperature: 100, max_tokens: 4000, seed: 1, ...format };
      await route.continue({ postData: JSON.stringify(body) });
    });
    await page.fill("#question", "<b>Go on.</b>");
    await page.click("#send");
    await page.locator("article.assistant p").first().filter({ hasText: /.{20}/ }).waitFor();
    await page.click("#stop", { force: true }); // it need not wait for a moment without news
    await page.locator(".times", { hasText: "stopped" }).waitFor();
    await served.until(async () => (await served.metric("owl3:num_requests_running")) === 0);
    expect(await page.locator("article.user").textContent()).toBe("<b>Go on.</b>");
    expect(await page.locator("article b").count()).toBe(0);
    await page.locator("#send").waitFor();
  });

  test("what fails is said, and the question comes back", async () => {
    const page = await open();
    await page.route("**/v1/chat/completions", async (route) => {
      await route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), temperature: -1 }) });
    });
    await page.fill("#question", "What is it?");
    await page.click("#send");
    await page.locator(".wrong", { hasText: "That failed: temperature is wrong" }).waitFor();
    expect(await page.inputValue("#question")).toBe("What is it?");
  });

  test("with a key the browser asks for it", async () => {
    const guarded = await Served.start([], { OWL3_API_KEY: "a key" });
    const page = await open(guarded, { httpCredentials: { username: "me", password: "a key" } });
    await page.locator("#model", { hasText: "owl3-demo" }).waitFor();
    await page.fill("#question", "What is it?");
    await page.click("#send");
    await times(page).filter({ hasText: "tokens" }).waitFor();
    const context = await browser.newContext();
    expect((await (await context.newPage()).goto(guarded.url).catch(() => null))?.status() ?? 401).toBe(401);
  });

  test("it asks for nothing from elsewhere, and its policy forbids it", async () => {
    const page = await open();
    complaints.length = 0;
    const blocked = await page.evaluate(() =>
      fetch("http://192.0.2.1/").then(
        () => "asked",
        () => "blocked",
      ),
    );
    expect(blocked).toBe("blocked");
    expect(complaints.join()).toMatch(/Content Security Policy/);
    expect(outside.filter((url) => !url.startsWith("http://192.0.2.1") && !url.startsWith("http://127.0.0.1"))).toEqual(
      [],
    );
    const { headers } = await fetch(served.url);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("nothing of that was worth a complaint of the browser", () => {
    const expected = /Content Security Policy|192\.0\.2\.1|status of (400|401)/;
    expect(complaints.filter((text) => !expected.test(text))).toEqual([]);
  });
});
