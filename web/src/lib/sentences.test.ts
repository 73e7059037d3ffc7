import { expect, it } from "vitest";
import { sentences } from "./sentences";

it("makes a sentence of each part", () => {
  expect(sentences("no sound server: no such file", "start PipeWire", undefined, "")).toBe("No sound server: no such file. Start PipeWire.");
  expect(sentences("It is done.", "Is it?")).toBe("It is done. Is it?");
});
