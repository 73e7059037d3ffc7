// Languages as people call them.

const names = new Intl.DisplayNames([globalThis.document?.documentElement.lang || "en"], { type: "language" });

/** languageOf is the name of a language by its code; the code itself where nobody knows it: models of one's own may say anything. */
export function languageOf(code: string): string {
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

/** languagesOf are codes with their names, in the order of the names. */
export const languagesOf = (codes: Iterable<string>): { code: string; name: string }[] => [...new Set(codes)].map((code) => ({ code, name: languageOf(code) })).sort((a, b) => a.name.localeCompare(b.name));
