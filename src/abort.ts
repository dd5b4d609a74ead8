import { setMaxListeners } from "node:events";

/**
 * Waits for `promise` unless the signal is aborted first: then `leave` is called and the signal's reason thrown at once, whatever becomes of
 * the promise.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, leave: () => void): Promise<T> {
  if (!signal) return promise;
  setMaxListeners(0, signal); // many crops or beams may wait under one signal; Node takes more than ten for a leak
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      leave();
      reject(signal.reason);
    };
    const settled = (): void => signal.removeEventListener("abort", stop);
    promise.finally(settled).then(resolve, reject);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
