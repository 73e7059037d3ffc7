/** sentences makes sentences of what the daemon says: its messages and hints begin small and end without a full stop, to be put together. */
export const sentences = (...parts: (string | undefined)[]): string =>
  parts
    .map((part) => part?.trim() ?? "")
    .filter(Boolean)
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1) + (/[.!?…。！？]$/.test(part) ? "" : "."))
    .join(" ");
