import { expect, it } from "vitest";
import { Flow } from "./flow";

const block = 2048;
const lasts = (block * 1000) / 48_000;

// play gives blocks at the times that a page gets them, and returns what was said to be missing.
function play(late: (i: number) => number, blocks = 400): number[] {
  const flow = new Flow(48_000);
  return Array.from({ length: blocks }, (_, i) => flow.heard(block, 1e12 + i * lasts + late(i))).filter((ms) => ms > 0);
}

it("misses nothing where blocks come a little early and late", () => expect(play((i) => (i % 3) * 150)).toEqual([]));
it("misses nothing where a busy page gets ten seconds at once", () => expect(play((i) => (i >= 100 && i < 335 ? (335 - i) * lasts : 0))).toEqual([]));
it("says once how long the computer slept", () => {
  const said = play((i) => (i < 100 ? 0 : 60_000));
  expect(said).toHaveLength(1);
  expect(said[0]).toBeCloseTo(60_000, -1);
});
it("follows a clock that goes wrong by a second an hour", () => expect(play((i) => i * lasts * (1 / 3600), 500_000)).toEqual([]));
