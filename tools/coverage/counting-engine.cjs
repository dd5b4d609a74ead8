/** Puts the engine that counts what it runs in place of the one that was built for use. */
const Module = require("node:module");

const load = Module._extensions[".node"];
Module._extensions[".node"] = (module, file) =>
  load(module, file.replace(/\/build\/Release\/owl3\.node$/, "/build-coverage/Release/owl3.node"));
