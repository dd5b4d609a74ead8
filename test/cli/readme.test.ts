import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error: a script without types
import { executablePath, open, screen } from "../../tools/docs/readme.mjs";

// The README as a reader sees it, in the browser that takes its picture.
describe.runIf(existsSync(executablePath))("the rendered README", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  });
  afterAll(() => browser?.close());

  test("shows all its pictures beside their answers, and how to install it on the first screen", async () => {
    const page = await open(browser);
    const images: { alt: string; naturalWidth: number; width: number }[] = await page.evaluate(
      "[...document.images].map(({ alt, naturalWidth, width }) => ({ alt, naturalWidth, width }))",
    );
    expect(images.length).toBeGreaterThan(7);
    for (const { alt, naturalWidth, width } of images) {
      expect(alt).not.toBe("");
      expect(naturalWidth, alt).toBeGreaterThan(0);
      expect(width, alt).toBeGreaterThan(60); // a column that is squeezed leaves less
    }
    const install = await page.getByText("npm i -g owl3").first().boundingBox();
    expect(install.y + install.height).toBeLessThan(screen.height);
    const cut = await page.evaluate(
      "[...document.querySelectorAll('pre, table')].filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.textContent)",
    );
    expect(cut).toEqual([]);
    await page.context().close();
  });
});
