#!/usr/bin/env node
// Writes the man pages into dist/man, from the commands and options of the compiled CLI. package.json lists them: up to
// version 11, `npm install --global` links them to where man looks.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createProgram } from "../../dist/cli/main.js";
import { manPages } from "../../dist/cli/man/pages.js";
import { packageVersion } from "../../dist/version.js";

const folder = new URL("../../dist/man/", import.meta.url);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, page] of manPages(createProgram(), packageVersion())) writeFileSync(new URL(name, folder), page);
