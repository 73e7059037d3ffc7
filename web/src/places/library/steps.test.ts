import { expect, it } from "vitest";
import { stepsOf } from "./steps";

const made = (version: number, kind = "first") => ({ version, kind });
const edited = (version: number) => ({ version, kind: "edited" });
const back = (version: number, restored_from: number) => ({ version, kind: "edited", restored_from });

it("goes back through edits to the text of the model", () => expect(stepsOf([made(1), edited(2), edited(3)])).toEqual({ undos: [1, 2], redos: [] }));
it("knows what was undone, and what was redone", () => {
  expect(stepsOf([made(1), edited(2), back(3, 1)])).toEqual({ undos: [], redos: [2] });
  expect(stepsOf([made(1), edited(2), back(3, 1), back(4, 2)])).toEqual({ undos: [3], redos: [] });
});
it("leaves out a text of a model that did not replace an edited one", () => expect(stepsOf([made(1), edited(2), made(3, "retranscribed"), edited(4)])).toEqual({ undos: [1, 2], redos: [] }));
it("does not undo what a model made", () => expect(stepsOf([made(1), made(2, "second_pass")])).toEqual({ undos: [], redos: [] }));
