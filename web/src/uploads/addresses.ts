// Where the uploads are that were not sent whole, as this browser remembers it. One that keeps nothing sends a file from its beginning after a reload, and that is all.
import { defaultOptions, type PreviousUpload, type UploadOptions } from "tus-js-client";

const kept = defaultOptions.urlStorage;

// A full or forbidden store throws at once, and not by its promise.
async function tried<T>(ask: () => Promise<T> | undefined, otherwise: T): Promise<T> {
  try {
    return (await ask()) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** addresses never fail: what cannot be remembered is not known later. */
export const addresses: NonNullable<UploadOptions["urlStorage"]> = {
  findAllUploads: () => tried<PreviousUpload[]>(() => kept?.findAllUploads(), []),
  findUploadsByFingerprint: (print) => tried<PreviousUpload[]>(() => kept?.findUploadsByFingerprint(print), []),
  removeUpload: (key) => tried<void>(() => kept?.removeUpload(key), undefined),
  addUpload: (print, upload) => tried(() => kept?.addUpload(print, upload), ""),
};
