import { expect, it } from "vitest";
import { printOf } from "./print";

const file = (content: string, name = "REC0001.WAV") => new File([content], name, { lastModified: 1 });

it("tells files apart that have all in common but what is in them", async () => {
  const [one, same, other, beginning] = await Promise.all([file("one two"), file("one two"), file("one too"), file("One two")].map(printOf));
  expect(same).toBe(one);
  expect(new Set([one, other, beginning]).size).toBe(3);
});

it("throws where a file cannot be read", () => expect(printOf({ name: "x", size: 1, lastModified: 1, slice: () => { throw new DOMException("gone", "NotFoundError"); } } as unknown as File)).rejects.toThrow("gone"));
