import path from "node:path";

/** Whether a file lies below a folder, outside of which none is opened. Both are real paths. */
export const isBelow = (root: string, file: string): boolean =>
  file.startsWith(root.endsWith(path.sep) ? root : root + path.sep);
