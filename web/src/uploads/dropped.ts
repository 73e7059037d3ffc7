/** Dropped are the files that were dropped, and how many could not be read. */
export interface Dropped {
  files: File[];
  unread: number;
}

// What lies beside audio in folders: pictures, texts, programs.
const foreign = /^(image|text|font)\/|^application\/(?!octet-stream|ogg|mp4|mxf|x-matroska|vnd\.rn-realmedia)/;

/** filesIn are the files that were dropped, those in folders, too, as far as they may be audio. One that cannot be read keeps none of the others away. */
export async function filesIn(transfer: Pick<DataTransfer, "items" | "files">): Promise<Dropped> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return { files: [...transfer.files], unread: 0 };
  return joined(await Promise.all(entries.map((entry) => within(entry))));
}

const joined = (all: Dropped[]): Dropped => ({ files: all.flatMap(({ files }) => files), unread: all.reduce((sum, { unread }) => sum + unread, 0) });

async function within(entry: FileSystemEntry, inFolder = false): Promise<Dropped> {
  const all: Dropped[] = [];
  try {
    if (entry.isFile) {
      const file = await new Promise<File>((yes, no) => (entry as FileSystemFileEntry).file(yes, no));
      return { files: inFolder && foreign.test(file.type) ? [] : [file], unread: 0 };
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((yes, no) => reader.readEntries(yes, no));
      if (some.length === 0) break;
      for (const one of some) if (!one.name.startsWith(".")) all.push(await within(one, true));
    }
  } catch {
    all.push({ files: [], unread: 1 });
  }
  return joined(all);
}
