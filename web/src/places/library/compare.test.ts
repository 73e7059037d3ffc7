import { expect, it } from "vitest";
import { compare } from "./compare";

it("counts lines that are the same, and marks the words of those that are not", () => {
  expect(compare(["One.", "We met on Thursday.", "Three."], ["One.", "We met on Friday.", "Three."])).toEqual([
    { same: 1 },
    {
      old: [{ text: "We met on ", changed: false }, { text: "Thursday", changed: true }, { text: ".", changed: false }],
      new: [{ text: "We met on ", changed: false }, { text: "Friday", changed: true }, { text: ".", changed: false }],
      marked: true,
    },
    { same: 1 },
  ]);
});

it("shows a line that is gone, and one that is new", () => {
  expect(compare(["One.", "Two."], ["One."])).toEqual([{ same: 1 }, { old: [{ text: "Two.", changed: true }], new: [], marked: true }]);
  expect(compare([], ["One."])).toMatchObject([{ old: [], new: [{ text: "One.", changed: true }] }]);
  expect(compare(["One."], ["One."])).toEqual([{ same: 1 }]);
});

it("parts a text without spaces into words", () => {
  const [one] = compare(["今天开会。"], ["明天开会。"], "");
  expect(one).toMatchObject({ old: expect.arrayContaining([{ text: "今天", changed: true }]) });
});
