import { afterEach, beforeEach, expect, it, vi } from "vitest";

// What svelte does with a subscriber: it begins when something shows a value, and an update shows it anew.
const starts = vi.hoisted(() => [] as { read: number; start: (update: () => void) => () => void }[]);
vi.mock("svelte/reactivity", () => ({
  createSubscriber: (start: (update: () => void) => () => void) => {
    const one = { read: 0, start };
    starts.push(one);
    return () => void one.read++;
  },
}));
const { ago, day, today } = await import("./times");

beforeEach(() => void vi.useFakeTimers({ now: new Date("2026-11-30T23:59:00") }));
afterEach(() => void vi.useRealTimers());

it("says how long ago something was as long as it is shown, and names days anew when another one begins", () => {
  const [passes, days] = starts;
  const [passed, begun] = [vi.fn(), vi.fn()];
  ago(0);
  today();
  day(0);
  expect([passes?.read, days?.read]).toEqual([1, 2]);
  const ends = [passes?.start(passed), days?.start(begun)];
  vi.advanceTimersByTime(45_000);
  expect([passed.mock.calls.length, begun.mock.calls.length]).toEqual([3, 0]);
  vi.advanceTimersByTime(120_000);
  expect(begun).toHaveBeenCalledOnce();
  for (const end of ends) end?.();
  expect(vi.getTimerCount()).toBe(0);
});
