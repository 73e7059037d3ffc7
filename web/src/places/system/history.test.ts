import { describe, expect, it } from "vitest";
import { highest, spread } from "./history";
import { hostOf } from "./hosts";

const point = (at: string) => ({ at, memory_bytes: 1, memory_soft_bytes: 1, level: 0, waiting: 0, running: 0, behind_seconds: 0, errors: 0, texts: 0 });

describe("the history of the figures", () => {
  it("has a hole where nothing was measured, and none where a step was missed", () => {
    const places = spread(["2026-11-30T08:00:00Z", "2026-11-30T08:00:20Z", "2026-11-30T09:00:00Z"].map(point), 10);
    const start = Date.parse("2026-11-30T08:00:00Z") / 1000;
    expect(places.map(({ at, point }) => [at - start, point !== undefined])).toEqual([[0, true], [20, true], [30, false], [3600, true]]);
  });
  it("finds the highest value", () => {
    expect([highest([]), highest([null]), highest([null, 0, 3, null, 3, 1])]).toEqual([undefined, undefined, 2]);
  });
});

describe("addresses", () => {
  it("are called by their host", () => {
    expect(["https://example.org/a?b=c", "http://127.0.0.1:8080/x", "https://example.org:443/", "nonsense"].map(hostOf)).toEqual(["example.org", "127.0.0.1:8080", "example.org", "nonsense"]);
  });
});
