import { describe, expect, it } from "vitest";
import { ago, clock, day } from "./times";

globalThis.document ??= { documentElement: { lang: "en" } } as Document;
const now = new Date("2026-11-30T12:00:00").getTime();

describe("times", () => {
  it("says lengths as a clock does", () => {
    expect([0, 9.9, 61, 3600, 3661.5, -1].map(clock)).toEqual(["0:00", "0:09", "1:01", "1:00:00", "1:01:01", "0:00"]);
  });
  it("says how long ago something was", () => {
    const before = (seconds: number) => ago(now - seconds * 1000, now);
    expect([0, 45, 150, 7200, 2 * 86_400].map(before)).toEqual(["now", "45 sec. ago", "2 min. ago", "2 hr. ago", "2 days ago"]);
    expect(before(30 * 86_400)).toBe("Oct 31, 2026");
  });
  it("names days", () => {
    const names = ["2026-11-30T00:10:00", "2026-11-29T23:50:00", "2026-11-26T10:00:00", "2026-11-02T10:00:00", "2025-12-01T10:00:00"].map((at) => day(at, now));
    expect(names).toEqual(["Today", "Yesterday", "Thursday", "November 2", "December 1, 2025"]);
  });
});
