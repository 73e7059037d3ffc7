// What changed between two versions of a text.
import { diffArrays } from "diff";

export interface Part {
  text: string;
  changed: boolean;
}

/** Difference is a stretch of both versions: the same lines, or what the one has in the place of the other. marked is false where too much changed to say what. */
export type Difference = { same: number } | { old: Part[]; new: Part[]; marked: boolean };

const patience = 400; // ms

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
const pieces = (text: string) => [...segmenter.segment(text)].map((s) => s.segment);

function parts(tokens: { value: string[]; added?: boolean; removed?: boolean }[], without: "added" | "removed"): Part[] {
  return tokens.filter((t) => !t[without]).map((t) => ({ text: t.value.join(""), changed: !!(t.added || t.removed) }));
}

/** compare compares two texts line by line, and word by word where lines differ. */
export function compare(old: string[], now: string[], space = " "): Difference[] {
  const lines = diffArrays(old, now, { timeout: patience }) ?? [{ value: old, removed: true, added: false, count: old.length }, { value: now, added: true, removed: false, count: now.length }];
  const all: Difference[] = [];
  for (let i = 0; i < lines.length; i++) {
    const one = lines[i];
    if (!one) continue;
    if (!one.added && !one.removed) {
      all.push({ same: one.value.length });
      continue;
    }
    const next = lines[i + 1];
    const other = next && (next.added || next.removed) ? next : undefined;
    if (other) i++;
    const removed = (one.removed ? one : other?.removed ? other : undefined)?.value.join(space) ?? "";
    const added = (one.added ? one : other?.added ? other : undefined)?.value.join(space) ?? "";
    const tokens = diffArrays(pieces(removed), pieces(added), { timeout: patience });
    all.push(tokens ? { old: parts(tokens, "added"), new: parts(tokens, "removed"), marked: true } : { old: [{ text: removed, changed: false }], new: [{ text: added, changed: false }], marked: false });
  }
  return all;
}
