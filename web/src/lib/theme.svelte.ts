// The theme: that of the system, or one that the person chose.
import { remembered } from "./remembered";

export type Theme = "system" | "light" | "dark";

const kept = remembered<Theme>("theme", "system");

class Themes {
  #chosen = $state<Theme>(kept.get());

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
