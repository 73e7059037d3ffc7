// The way back through the versions of a text.
import type { Schema } from "../../api/client";

type Version = Pick<Schema["TextVersion"], "version" | "kind" | "restored_from">;

/** stepsOf returns the versions to which undo and redo return, the next one last: what a person changed since a model made the text. versions are oldest first. */
export function stepsOf(versions: Version[]): { undos: number[]; redos: number[] } {
  let [undos, redos]: [number[], number[]] = [[], []];
  let now: Version | undefined;
  for (const one of versions) {
    if (one.kind !== "edited" && !one.restored_from) {
      if (now?.kind === "edited" || now?.restored_from) continue; // what a person has chosen stays
      [undos, redos] = [[], []];
    } else if (now && one.restored_from && undos.at(-1) === one.restored_from) {
      [undos, redos] = [undos.slice(0, -1), [...redos, now.version]];
    } else if (now && one.restored_from && redos.at(-1) === one.restored_from) {
      [undos, redos] = [[...undos, now.version], redos.slice(0, -1)];
    } else if (now) {
      [undos, redos] = [[...undos, now.version], []];
    }
    now = one;
  }
  return { undos, redos };
}
