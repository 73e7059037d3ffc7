// Keyboard shortcuts: one registry, so that the help dialog is never wrong.

import { untrack } from "svelte";

/** Shortcut is one key, as KeyboardEvent.key names it (" " is space), with mod for Ctrl or ⌘. */
export interface Shortcut {
  key: string;
  mod?: boolean;
  shift?: boolean;
  /** says is what it does, for the help dialog; place is the heading there. */
  says: string;
  place: string;
  /**
   * down is called when the key goes down, held with repeat left out; up when it comes up, also after the window lost the focus. at is when the
   * person did it, in ms: a page that is busy hears of it later.
   */
  down: (at: number) => void;
  up?: (at: number) => void;
  /** typing is true for a key that counts in fields, too. */
  typing?: boolean;
  /** when is false where the key means nothing at the moment. */
  when?: () => boolean;
}

const fields = "input, textarea, select, [contenteditable='true'], [contenteditable='plaintext-only']";
// What space and Enter press by themselves. A button with data-space gives its space away.
const pressed = "button:not([data-space]), a[href], summary, [role='button']:not([data-space]), [role='option'], [role='switch']";

class Keys {
  #all = $state<Shortcut[]>([]);
  #held: Shortcut | undefined;

  /** shown are the shortcuts that count now, by place. */
  shown = $derived.by(() => {
    const places = new Map<string, Shortcut[]>();
    for (const one of this.#all) places.set(one.place, [...(places.get(one.place) ?? []), one]);
    return [...places];
  });

  start(): void {
    addEventListener("keydown", (e) => this.#down(e));
    addEventListener("keyup", (e) => {
      if (this.#held && e.key?.toLowerCase() === this.#held.key.toLowerCase()) this.#release(e.timeStamp);
    });
    addEventListener("blur", (e) => this.#release(e.timeStamp));
  }

  /** add registers shortcuts and returns how to remove them: $effect(() => keys.add(…)). */
  add(...shortcuts: Shortcut[]): () => void {
    untrack(() => (this.#all = [...this.#all, ...shortcuts]));
    return () => {
      if (this.#held && shortcuts.includes(this.#held)) this.#release(performance.now());
      this.#all = this.#all.filter((one) => !shortcuts.includes(one));
    };
  }

  #release(at: number): void {
    const held = this.#held;
    this.#held = undefined;
    held?.up?.(at);
  }

  #down(e: KeyboardEvent): void {
    if (e.key === undefined || e.isComposing) return; // a browser that fills in a form has keys without a name
    const target = e.target instanceof Element ? e.target : document.body;
    const typing = target.closest(fields) !== null;
    const presses = (e.key === " " || e.key === "Enter") && target.closest(pressed) !== null;
    const found = this.#all.findLast(
      (one) =>
        one.key.toLowerCase() === e.key.toLowerCase() &&
        (one.mod ?? false) === (e.ctrlKey || e.metaKey) &&
        (one.shift === undefined || one.shift === e.shiftKey) &&
        !e.altKey &&
        (one.typing || (!typing && !presses)) &&
        (!document.querySelector("dialog[open]") || one.typing) &&
        (one.when?.() ?? true),
    );
    if (!found) return;
    e.preventDefault();
    if (e.repeat) return;
    this.#release(e.timeStamp);
    if (found.up) this.#held = found;
    found.down(e.timeStamp);
  }
}

export const keys = new Keys();
