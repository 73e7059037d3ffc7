// The theme: that of the system, or one that the person chose.
import { remembered } from "./remembered";

export type Theme = "system" | "light" | "dark";

const kept = remembered<Theme>("theme", "system");

const systemsDark = matchMedia("(prefers-color-scheme: dark)");

class Themes {
  #chosen = $state<Theme>(kept.get());
  #system = $state(systemsDark.matches);

  constructor() {
    systemsDark.addEventListener("change", () => (this.#system = systemsDark.matches));
  }

  /** dark is whether the page is dark now, for what paints itself. */
  get dark(): boolean {
    return this.#chosen === "dark" || (this.#chosen === "system" && this.#system);
  }

  get chosen(): Theme {
    return this.#chosen;
  }

  set chosen(theme: Theme) {
    this.#chosen = theme;
    kept.set(theme);
    this.apply();
  }

  apply(): void {
    if (this.#chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.#chosen;
  }
}

export const theme = new Themes();
