// The sound that Scout has not acknowledged yet, kept in the browser: a reload, a closed tab or a broken connection loses none of it.

/**
 * Kept is a dictation of this browser's microphone. at is how many frames were captured; base is the first one of the recording id, where those before it are
 * in a recording of their own.
 */
export interface Kept {
  key: string;
  id: string;
  rate: number;
  at: number;
  base: number;
  after: number;
  began: number;
  language?: string;
  model?: string;
  labels: Record<string, string>;
}

/** Block is sound from the frame from on, 16 bits, one channel. */
export interface Block {
  key: string;
  from: number;
  samples: Int16Array<ArrayBuffer>;
}

const name = "scout-dictations";
const most = Number.MAX_SAFE_INTEGER;

let opened: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(name, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("dictations", { keyPath: "key" });
      asked.result.createObjectStore("blocks", { keyPath: ["key", "from"] });
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

const answered = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function write(stores: string[], work: (tx: IDBTransaction) => void): Promise<void> {
  const db = await database();
  return new Promise((resolve, reject) => {
    const tx = db.transaction(stores, "readwrite", { durability: "relaxed" });
    tx.oncomplete = () => resolve();
    tx.onerror = tx.onabort = () => reject(tx.error);
    work(tx);
    tx.commit();
  });
}

export const store = {
  /** open makes the database ready, so that the first sound does not wait for it. */
  open: async (): Promise<void> => void (await database()),

  note: (kept: Kept): Promise<void> => write(["dictations"], (tx) => tx.objectStore("dictations").put(kept)),

  keep: (block: Block, kept: Kept): Promise<void> =>
    write(["blocks", "dictations"], (tx) => {
      tx.objectStore("blocks").put(block);
      tx.objectStore("dictations").put(kept);
    }),

  /** acknowledged forgets the blocks that end at or before a frame, of which Scout has every one. */
  async acknowledged(key: string, before: number, longest: number): Promise<void> {
    await write(["blocks"], (tx) => tx.objectStore("blocks").delete(IDBKeyRange.bound([key, 0], [key, before - longest])));
  },

  /** blocks are up to count blocks that end behind a frame, in order. */
  async blocks(key: string, from: number, longest: number, count: number): Promise<Block[]> {
    const all = (await database()).transaction("blocks").objectStore("blocks");
    const found = await answered(all.getAll(IDBKeyRange.bound([key, Math.max(0, from - longest)], [key, most]), count + 1) as IDBRequest<Block[]>);
    return found.filter((one) => one.from + one.samples.length > from);
  },

  forget: (key: string): Promise<void> =>
    write(["blocks", "dictations"], (tx) => {
      tx.objectStore("dictations").delete(key);
      tx.objectStore("blocks").delete(IDBKeyRange.bound([key, 0], [key, most]));
    }),

  async all(): Promise<Kept[]> {
    const all = (await database()).transaction("dictations").objectStore("dictations");
    return answered(all.getAll() as IDBRequest<Kept[]>);
  },
};
