import type { Binding } from "../native/binding.js";
import type { NativeModel } from "../native/model.js";
import { nativeCall } from "../native/native.js";
import { standsInMachine } from "./memory.js";
import type { placeOf } from "./plan.js";
import type { OnProgress } from "./progress.js";
import { RepackCache } from "./repack-cache.js";

/** How often the engine is asked how far it is, in milliseconds. */
const reportMs = 100;

/**
 * Loads a model's weights onto its devices and reports how far that is. With `repackCache`, weights that the CPU repacks come from the disk, or are kept
 * there. Throws NativeError.
 */
export async function loadModel(
  binding: Binding,
  path: string,
  place: ReturnType<typeof placeOf>,
  { repackCache, onProgress }: { repackCache?: boolean | undefined; onProgress?: OnProgress | undefined },
): Promise<NativeModel> {
  const loading = binding.createLoading();
  let repacking = false;
  const report = (): void =>
    onProgress?.({ stage: "load", source: path, repacking, done: loading.bytes, total: loading.total });
  report();
  // The engine repacks weights for the CPU alone.
  const repacks = async (): Promise<boolean> =>
    place.device === "cpu" || standsInMachine(await binding.planModel(path, place, place.placedFor));
  const kept = repackCache ? await new RepackCache().prefix(path, repacks) : undefined;
  repacking = kept?.first === true;
  const telling = onProgress && setInterval(report, reportMs).unref();
  try {
    const options = { ...place, ...(kept && { weightsCopy: kept.prefix }) };
    const model = await nativeCall(() => binding.openModel(path, options, loading));
    report();
    return model;
  } finally {
    clearInterval(telling);
  }
}
