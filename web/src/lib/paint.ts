// Colours of the theme for a canvas, which knows neither variables nor light-dark().

/** painter returns what resolves a variable of the theme to a colour as an element shows it. */
export function painter(at: HTMLElement): (name: string) => string {
  return (name) => {
    at.style.color = `var(${name})`;
    const colour = getComputedStyle(at).color;
    at.style.color = "";
    return colour;
  };
}
