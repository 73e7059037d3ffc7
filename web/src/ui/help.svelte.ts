/** help says whether the dialog of the shortcuts is open. */
export const help = $state({ open: false });
