// Short notices at the edge of the page, with a way back.

export interface Toast {
  id: number;
  text: string;
  kind: "plain" | "bad";
  /** undo is called when the person takes it back; done when the time for that is over. */
  undo?: () => void;
  done?: () => void;
}

interface Options {
  undo?: () => void;
  done?: () => void;
  kind?: Toast["kind"];
  seconds?: number;
}

class Toasts {
  all = $state<Toast[]>([]);
  #next = 1;
  #timers = new Map<number, { left: number; since: number; timer: ReturnType<typeof setTimeout> }>();

  /** say shows a notice: 10 s where it can be undone, else 5 s. */
  say(text: string, { undo, done, kind = "plain", seconds = undo ? 10 : 5 }: Options = {}): void {
    const id = this.#next++;
    this.all.push({ id, text, kind, undo, done });
    this.#wait(id, seconds * 1000);
  }

  undo(id: number): void {
    this.#end(id)?.undo?.();
  }

  close(id: number): void {
    this.#end(id)?.done?.();
  }

  /** hold stops the time while the person points at the notices, and on lets it go on. */
  hold(): void {
    for (const one of this.#timers.values()) {
      clearTimeout(one.timer);
      one.left -= Date.now() - one.since;
    }
  }

  on(): void {
    for (const [id, one] of this.#timers) this.#wait(id, Math.max(one.left, 1000));
  }

  #wait(id: number, left: number): void {
    clearTimeout(this.#timers.get(id)?.timer);
    this.#timers.set(id, { left, since: Date.now(), timer: setTimeout(() => this.close(id), left) });
  }

  #end(id: number): Toast | undefined {
    clearTimeout(this.#timers.get(id)?.timer);
    this.#timers.delete(id);
    const toast = this.all.find((one) => one.id === id);
    this.all = this.all.filter((one) => one.id !== id);
    return toast;
  }
}

export const toasts = new Toasts();
