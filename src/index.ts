export { ExitCode, FileError, MemoryError, ModelFileError, NativeError, UsageError, UserError } from "./errors.js";
