/**
 * Saves a session while the disk breaks: at its n-th change of a file the process is killed, or the change fails.
 *
 *   node broken-disk.mjs ROOT PICTURE N kill|ENOSPC
 *
 * Prints the number of changes if there were fewer than n, or the error.
 */
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const [root, picture, n, how] = process.argv.slice(2);
let changes = 0;
function change(real) {
  return async (...args) => {
    if (++changes === Number(n)) {
      if (how === "kill") process.kill(process.pid, "SIGKILL");
      throw Object.assign(new Error("no space left on device"), { code: how, syscall: "write" });
    }
    return real(...args);
  };
}
const { open } = fs;
for (const name of ["mkdir", "copyFile", "writeFile", "rename", "chmod", "rm"]) fs[name] = change(fs[name]);
fs.open = async (...args) => {
  const handle = await open(...args);
  for (const name of ["writeFile", "sync"]) handle[name] = change(handle[name].bind(handle));
  return handle;
};
syncBuiltinESMExports();

const { Session } = await import("../../dist/sessions/session.js");
const model = { name: "m.gguf", path: "/m.gguf", fingerprint: "a".repeat(64) };
let session;
try {
  session = await Session.open("trip", root);
  const messages = await session.messages(model.fingerprint);
  const content = await session.keep([{ type: "image", path: picture }]);
  messages.push({ role: "user", content }, { role: "assistant", content: "Yes." });
  await session.save({ model, allowSpecial: false, messages });
  console.log(changes);
} catch (error) {
  console.log(`${error.name}: ${error.message}`);
} finally {
  session?.close();
}
