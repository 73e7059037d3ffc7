// What this browser has stored for Scout, and how it is removed.
import { abandoned } from "../dictation/sender";
import { store } from "../dictation/store";

/** unsent is how many dictations this browser still has that Scout does not, and nobody goes on with. */
export const unsent = async (): Promise<number> => (await abandoned().catch(() => [])).length;

/** used is how many bytes this browser keeps for this origin; undefined where it does not tell. */
export const used = async (): Promise<number | undefined> => (await navigator.storage?.estimate?.().catch(() => undefined))?.usage;

/** forget removes all of it but a dictation that is under way, in this tab or another. */
export async function forget(): Promise<void> {
  for (const one of await abandoned().catch(() => [])) await store.forget(one.key);
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith("scout.") || key.startsWith("tus::")) localStorage.removeItem(key);
  } catch {
    // a browser that gives the page no storage has stored nothing
  }
}
