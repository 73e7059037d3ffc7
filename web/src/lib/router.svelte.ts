// The address of the page: /, /library/ID?q=…, /system/models. The paths are those of internal/api/page.go.
import { root } from "../api/client";

const base = new URL(root).pathname.replace(/\/$/, "");
const places = ["library", "system"];

// A part of an address that is no text is shown as it is: nothing has such a name.
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

class Router {
  #url = $state(new URL(location.href));

  /** parts are the words of the path: [] for Now, ["library", "ID"] for a recording. */
  parts = $derived(this.#url.pathname.slice(base.length).split("/").filter(Boolean).map(decoded));
  /** query has what follows the ? of the address. */
  query = $derived(this.#url.searchParams);

  start(): void {
    addEventListener("popstate", () => (this.#url = new URL(location.href)));
    document.addEventListener("click", (e) => {
      if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
      const link = (e.target as Element).closest?.("a");
      if (!link || link.target || link.hasAttribute("download")) return;
      const url = new URL(link.href);
      const [first] = url.pathname.slice(base.length).split("/").filter(Boolean);
      if (url.origin !== location.origin || !url.pathname.startsWith(base) || (first !== undefined && !places.includes(first))) return;
      e.preventDefault();
      this.#go(url, false);
    });
  }

  /** to is the address of a place, for a link. */
  to(path: string): string {
    return base + path;
  }

  /** go shows a place; with replace it takes the place of the present one in the history. */
  go(path: string, { replace = false } = {}): void {
    this.#go(new URL(base + path, location.href), replace);
  }

  #go(url: URL, replace: boolean): void {
    if (url.href === this.#url.href) return;
    if (replace) history.replaceState(null, "", url);
    else history.pushState(null, "", url);
    const moved = url.pathname !== this.#url.pathname;
    this.#url = url;
    if (moved) document.getElementById("content")?.scrollTo(0, 0);
  }
}

export const router = new Router();
