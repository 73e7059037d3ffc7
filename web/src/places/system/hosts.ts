/** hostOf is what people call an address: its host, with a port that is not the usual one. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host || url;
  } catch {
    return url;
  }
}
