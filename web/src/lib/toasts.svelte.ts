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

const most = 5; // notices at a time

class Toasts {
  all = $state<Toast[]>([]);
  #next = 1;
  #timers = new Map<number, { left: number; since: number; timer?: ReturnType<typeof setTimeout> }>();
  #held = false;

  /** say shows a notice: 10 s where it can be undone, else 5 s. One that is shown already with the same words begins anew. */
  say(text: string, { undo, done, kind = "plain", seconds = undo ? 10 : 5 }: Options = {}): void {
    const same = undo ? undefined : this.all.find((one) => one.text === text && !one.undo && !one.done && !done);
    const id = same?.id ?? this.#next++;
    if (!same) this.all.push({ id, text, kind, undo, done });
    this.#timers.set(id, { left: seconds * 1000, since: Date.now() });
    if (!this.#held) this.#go(id);
    const oldest = this.all.find((one) => !one.undo) ?? this.all[0];
    if (this.all.length > most && oldest) this.close(oldest.id);
  }

  undo(id: number): void {
    this.#end(id)?.undo?.();
  }

  close(id: number): void {
    this.#end(id)?.done?.();
  }

  /** hold stops the time while the person points at the notices, and on lets it go on. */
  hold(): void {
    if (this.#held) return;
    this.#held = true;
    for (const one of this.#timers.values()) {
      clearTimeout(one.timer);
      one.left -= Date.now() - one.since;
    }
  }

  on(): void {
    if (!this.#held) return;
    this.#held = false;
    for (const id of this.#timers.keys()) this.#go(id);
  }

  #go(id: number): void {
    const one = this.#timers.get(id);
    if (!one) return;
    clearTimeout(one.timer);
    one.since = Date.now();
    one.timer = setTimeout(() => this.close(id), Math.max(one.left, 1000));
  }

  #end(id: number): Toast | undefined {
    clearTimeout(this.#timers.get(id)?.timer);
    this.#timers.delete(id);
    const toast = this.all.find((one) => one.id === id);
    this.all = this.all.filter((one) => one.id !== id);
    this.on(); // the pointer may have been over it: nothing tells when an element that is gone is left
    return toast;
  }
}

export const toasts = new Toasts();
