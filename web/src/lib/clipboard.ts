/** copyText puts a text into the clipboard, and returns false where the browser does not let it. Pages by plain http from another machine have no clipboard but that of a selection. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return bySelection(text);
  }
}

function bySelection(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true; // a phone shows no keyboard
  field.className = "hidden-text";
  (document.querySelector("dialog[open]") ?? document.body).append(field); // what is behind a dialog cannot be selected
  field.select();
  let copied: boolean;
  try {
    copied = document.execCommand("copy");
  } catch {
    copied = false;
  }
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return copied;
}
