import type { Grid } from "./messages.js";

/** The grids that the model was trained with; of equal ones the first wins. */
export const grids: readonly Grid[] = [
  [2, 2],
  [1, 3],
  [1, 4],
  [3, 1],
  [4, 1],
  [2, 3],
  [3, 2],
];

const f32 = Math.fround;

/**
 * Chooses the grid of crops of side `cropSize` that fits a picture best, first by shape, then by size. Sides and areas are integers and
 * ratios are single precision, step by step as in the reference, so that near ties fall the same way.
 */
export function chooseGrid(width: number, height: number, cropSize: number): Grid {
  let best = grids[0] as Grid;
  let bestRank = Number.NEGATIVE_INFINITY;
  for (const grid of grids) {
    const box = { width: grid[1] * cropSize, height: grid[0] * cropSize };
    const shaped = { width: box.width, height: Math.trunc(f32(f32(height / width) * f32(box.width))) };
    const rank = f32(f32(overlap(box, shaped) * 100) + overlap(box, { width, height }));
    if (rank > bestRank) {
      best = grid;
      bestRank = rank;
    }
  }
  return [best[0], best[1]];
}

/** Number of crops of a picture: the cells of its grid and the global view; without a grid only that. */
export function cropCount(grid: Grid | null): number {
  return grid ? grid[0] * grid[1] + 1 : 1;
}

interface Box {
  width: number;
  height: number;
}

/** Intersection over union of two boxes that share a corner. */
function overlap(a: Box, b: Box): number {
  const shared = Math.min(a.width, b.width) * Math.min(a.height, b.height);
  const union = a.width * a.height + b.width * b.height - shared;
  return f32(f32(shared) / f32(f32(union) + f32(1e-5)));
}
