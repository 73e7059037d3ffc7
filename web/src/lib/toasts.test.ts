import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { toasts } from "./toasts.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.runAllTimers();
  vi.useRealTimers();
});
const shown = () => toasts.all.map((one) => one.text);

it("goes on with the others when the one that is pointed at is closed", () => {
  toasts.say("one");
  toasts.say("two");
  toasts.hold();
  vi.advanceTimersByTime(60_000);
  expect(shown()).toEqual(["one", "two"]);
  toasts.close(toasts.all[0]?.id ?? 0);
  vi.advanceTimersByTime(5000);
  expect(shown()).toEqual([]);
});

it("counts the time once that a notice was held by pointer and key", () => {
  toasts.say("one");
  vi.advanceTimersByTime(2000);
  toasts.hold();
  toasts.hold();
  toasts.on();
  vi.advanceTimersByTime(2900);
  expect(shown()).toEqual(["one"]);
  vi.advanceTimersByTime(200);
  expect(shown()).toEqual([]);
});

it("shows the same words once, and few at a time, those last that can be taken back", () => {
  const done = vi.fn();
  toasts.say("gone", { undo: () => undefined, done });
  for (let i = 0; i < 3; i++) toasts.say("failed", { kind: "bad" });
  expect(shown()).toEqual(["gone", "failed"]);
  for (let i = 0; i < 200; i++) toasts.say(`failed ${i}`);
  expect(shown()).toEqual(["gone", "failed 196", "failed 197", "failed 198", "failed 199"]);
  for (let i = 0; i < 5; i++) toasts.say(`gone ${i}`, { undo: () => undefined });
  expect(done).toHaveBeenCalledOnce();
});
