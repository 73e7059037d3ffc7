// The points of a history, as a chart takes them.
import type { Schema } from "../../api/client";

type Point = Schema["HistoryPoint"];

/** A place on the axis of time, in seconds since 1970; without a point where nothing was measured. */
export interface Place {
  at: number;
  point?: Point;
}

/** spread puts an empty place where more than two steps passed without a point. */
export function spread(points: Point[], step: number): Place[] {
  const places: Place[] = [];
  for (const point of points) {
    const at = Date.parse(point.at) / 1000;
    const before = places.at(-1);
    if (before && at - before.at > 2.5 * step) places.push({ at: before.at + step });
    places.push({ at, point });
  }
  return places;
}

/** highest is where the highest value is; undefined where there is none. */
export function highest(values: (number | null)[]): number | undefined {
  let top: number | undefined;
  values.forEach((v, i) => {
    if (v !== null && (top === undefined || v > (values[top] ?? 0))) top = i;
  });
  return top;
}
