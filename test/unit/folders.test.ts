import { userInfo } from "node:os";
import path from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { configPath } from "../../src/config.js";
import { homeFolder } from "../../src/folders.js";
import { modelFolder } from "../../src/models/folder.js";

afterEach(() => vi.unstubAllEnvs());

test("an empty or relative HOME does not put files into the current folder", () => {
  for (const home of ["", "here"]) {
    vi.stubEnv("HOME", home);
    vi.stubEnv("USERPROFILE", home);
    expect(homeFolder()).toBe(userInfo().homedir);
    expect(path.isAbsolute(modelFolder({}))).toBe(true);
    expect(path.isAbsolute(configPath({}))).toBe(true);
  }
});
