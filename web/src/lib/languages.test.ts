import { expect, it } from "vitest";
import { languagesOf } from "./languages";

it("has a name for what is no code of a language", () => expect(languagesOf(["de", "x_y!", "en", "de"])).toEqual([{ code: "en", name: "English" }, { code: "de", name: "German" }, { code: "x_y!", name: "x_y!" }]));
