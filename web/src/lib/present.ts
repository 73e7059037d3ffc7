// What time it is where Scout runs. The clock of this browser may be wrong, or that of the other machine: times that Scout tells are compared with its own.

const least = 3000; // ms: the header is in whole seconds, and answers take their time
let ahead = 0; // ms by which Scout's clock is ahead of this browser's

/** compare takes the time of an answer's header, and when it was asked for and came by this browser's clock. */
export function compare(date: string | null, asked: number, came: number): void {
  const there = Date.parse(date ?? "");
  if (Number.isNaN(there) || came - asked > least) return;
  const by = there + 500 - (asked + came) / 2;
  ahead = Math.abs(by) < least ? 0 : by;
}

/** present is the time now by Scout's clock, in ms since 1970. */
export const present = (): number => Date.now() + ahead;

/** here is when something was by this browser's clock that Scout tells by its own. */
export const here = (at: string | number): number => new Date(at).getTime() - ahead;
