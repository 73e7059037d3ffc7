import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { compare, here, present } from "./present";
import { ago } from "./times";

globalThis.document ??= { documentElement: { lang: "en" } } as Document;
const now = Date.parse("2026-11-30T12:00:00Z");
beforeEach(() => void vi.useFakeTimers({ now }));
afterEach(() => void vi.useRealTimers());
const header = (ms: number) => new Date(ms).toUTCString();

it("goes by Scout's clock where this browser's is wrong", () => {
  compare(header(now - 3600_000), now - 100, now);
  expect(Math.abs(present() - (now - 3600_000))).toBeLessThan(1000);
  expect(ago(now - 3600_000 - 120_500)).toBe("2 min. ago");
  expect(Math.abs(here(now - 3600_000) - now)).toBeLessThan(1000);
});

it("takes clocks for the same that differ by less than it can know, and learns nothing of slow answers or without a header", () => {
  compare(header(now - 2000), now, now);
  compare(null, now, now);
  compare(header(now - 3600_000), now - 60_000, now);
  expect(present()).toBe(now);
});
