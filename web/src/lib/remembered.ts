// Small choices that this browser remembers. A browser that keeps nothing forgets them, and the page works.

export interface Remembered<T> {
  get(): T;
  set(value: T): void;
}

/** remembered is a value under a name, usual where there is none yet. */
export function remembered<T>(name: string, usual: T): Remembered<T> {
  const key = `scout.${name}`;
  return {
    get() {
      try {
        const kept = localStorage.getItem(key);
        return kept === null ? usual : (JSON.parse(kept) as T);
      } catch {
        return usual;
      }
    },
    set(value) {
      try {
        localStorage.setItem(key, JSON.stringify(value));
      } catch {
        // it counts until the page is closed
      }
    },
  };
}
