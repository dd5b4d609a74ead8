import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // All cores: many tests wait for programs that they started, and Vitest would leave one of two cores to itself.
    maxWorkers: availableParallelism(),
    // The parts that read what others wrote; tools/coverage/run measures them, and the same of the C++.
    coverage: {
      provider: "v8",
      include: ["src/prompt/**", "src/constrain/**", "src/cli/filter.ts"],
      reporter: ["text", "json"],
      reportsDirectory: "coverage",
      thresholds: { lines: 100, branches: 95 },
    },
  },
});
