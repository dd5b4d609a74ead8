import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { chooseGrid, cropCount, grids } from "../../../src/prompt/grid.js";

type Case = [width: number, height: number, side: number, grid: number];
const cases: Case[] = JSON.parse(readFileSync(new URL("../../fixtures/prompt/grids.json", import.meta.url), "utf8"));

test("the grid is the reference's for thousands of sizes, near ties included", () => {
  const wrong = cases.filter(([w, h, s, grid]) => chooseGrid(w, h, s).join() !== grids[grid]?.join());
  expect(new Set(cases.map(([, , , grid]) => grid)).size).toBe(grids.length);
  expect(cases.length).toBeGreaterThan(3000);
  expect(wrong).toEqual([]);
});

test("a picture has a crop for each cell and one for the whole", () => {
  expect(cropCount([2, 3])).toBe(7);
  expect(cropCount(null)).toBe(1);
});
