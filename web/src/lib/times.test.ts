import { describe, expect, it } from "vitest";
import { ago, clock, day, lasting, until } from "./times";

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
  it("says in how long something will be", () => {
    const after = (seconds: number) => until(now + seconds * 1000, now);
    expect([-5, 0.2, 4.2, 90, 5000].map(after)).toEqual(["now", "now", "in 5 sec.", "in 2 min.", "in 2 hr."]);
  });
  it("says how long something lasts that Go has written", () => {
    expect(["168h0m0s", "24h0m0s", "36h", "1h30m0s", "5m0s", "30s", "0s"].map(lasting)).toEqual(["7 days", "24 hours", "36 hours", "1.5 hours", "5 minutes", "30 seconds", "0 seconds"]);
  });
  it("names days", () => {
    const names = ["2026-11-30T00:10:00", "2026-11-29T23:50:00", "2026-11-26T10:00:00", "2026-11-02T10:00:00", "2025-12-01T10:00:00"].map((at) => day(at, now));
    expect(names).toEqual(["Today", "Yesterday", "Thursday", "November 2", "December 1, 2025"]);
  });
});
