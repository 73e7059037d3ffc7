import { expect, it } from "vitest";
import { valueOf } from "./values";

const number = { type: "integer" };
const chosen = { anyOf: [{ type: "integer" }, { type: "string", enum: ["auto"] }] };

it("takes an empty field for the usual value, and never for 0", () => expect(["", "  ", "0", " 30 "].map((text) => valueOf(number, text))).toEqual([null, null, 0, 30]));
it("does not take for a number what is none", () => expect(["abc", "1,5", "1e3", "0x10", "99999999999999999999", "3 days"].map((text) => valueOf(number, text))).toEqual(Array(6).fill(undefined)));
it("takes the word for a number that Scout chooses", () => expect(["Auto", "300", "never"].map((text) => valueOf(chosen, text))).toEqual(["auto", 300, undefined]));
it("leaves texts as they are", () => expect(["", " a "].map((text) => valueOf({ type: "string" }, text))).toEqual(["", " a "]));
