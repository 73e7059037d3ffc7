import { expect, it } from "vitest";
import { Problem } from "../api/client";
import { reading } from "./reading";

// Questions whose answers come when the test says so.
function questions() {
  const all: { answer: (value: string) => void; fail: (e: unknown) => void }[] = [];
  return { all, ask: () => new Promise<string>((answer, fail) => all.push({ answer, fail })) };
}

it("leaves out an answer that a later one has overtaken", async () => {
  const { all, ask } = questions();
  const taken: string[] = [];
  const read = reading(ask, (answer) => taken.push(answer));
  const both = [read(), read()];
  all[1]?.answer("new");
  await both[1];
  all[0]?.answer("old");
  await both[0];
  expect(taken).toEqual(["new"]);
});

it("takes every answer that comes in order, however slow", async () => {
  const { all, ask } = questions();
  const taken: string[] = [];
  const read = reading(ask, (answer) => taken.push(answer));
  const both = [read(), read()];
  for (const [i, one] of ["first", "second"].entries()) all[i]?.answer(one);
  await Promise.all(both);
  expect(taken).toEqual(["first", "second"]);
});

it("does not tell of a failure where a later answer is there, and takes an earlier answer where the later question failed", async () => {
  const { all, ask } = questions();
  const taken: string[] = [];
  const read = reading(ask, (answer) => taken.push(answer), ({ code }) => taken.push(code));
  const three = [read(), read(), read()];
  all[1]?.answer("second");
  await three[1];
  all[0]?.fail(new Problem("internal", "first"));
  all[2]?.fail(new Problem("unavailable", "third"));
  await Promise.all(three);
  expect(taken).toEqual(["second", "unavailable"]);
});
