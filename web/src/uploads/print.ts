// What tells one file from another.

const sample = 64 << 10; // bytes of its beginning and of its end

// hash is FNV-1a in 32 bits.
const hash = (bytes: Uint8Array, seed: number): number => bytes.reduce((h, byte) => Math.imul(h ^ byte, 0x01000193), seed) >>> 0;

/** printOf tells files apart that have the same name, size and time, as those of two recorders may. It throws where the file cannot be read. */
export async function printOf(file: File): Promise<string> {
  const ends = new Uint8Array(await new Blob([file.slice(0, sample), file.slice(-sample)]).arrayBuffer());
  return [file.name, file.size, file.lastModified, hash(ends, 0x811c9dc5).toString(36), hash(ends, 0x01234567).toString(36)].join("-");
}
