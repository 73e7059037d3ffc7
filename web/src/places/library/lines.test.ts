import { describe, expect, it } from "vitest";
import { doubtfulOf, hitsIn, lineAt, linesOf, marked, paragraphsOf, patternOf, spokenAt, timedOf, typed } from "./lines";

const word = (text: string, start?: number, probability?: number) => ({ word: text, ...(start === undefined ? { placed: false } : { start, end: start + 0.4 }), ...(probability === undefined ? {} : { logprob: Math.log(probability) }) });
const segments = [
  { start: 0, end: 2, text: "To be, or not to be.", words: [word("To", 0), word("be,", 0.5), word("or"), word("not", 1, 0.3), word("to", 1.3, 0.9), word("be.", 1.6, 0.1)] },
  { start: 3, end: 4, text: "A text of somebody else.", words: [word("Something", 3)] },
  { start: 9, end: 10, text: "Behind a pause." },
];
const lines = linesOf(segments);

describe("lines", () => {
  it("finds each word in its text, also the second of the same", () => {
    expect(lines[0]?.words.map(({ from, to }) => segments[0]?.text.slice(from, to))).toEqual(["To", "be,", "or", "not", "to", "be."]);
    expect(lines[0]?.words.at(-1)?.from).toBe(17);
    expect(lines[1]?.words).toEqual([]);
  });
  it("begins a paragraph behind a pause, and for another channel", () => {
    expect(paragraphsOf(lines).map((p) => p.lines.map((l) => l.index))).toEqual([[0, 1], [2]]);
    expect(paragraphsOf(linesOf([{ start: 0, end: 1, text: "One.", channel: "left" }, { start: 1, end: 2, text: "Two.", channel: "right" }]))).toHaveLength(2);
  });
  it("knows what is spoken, in a pause nothing, and a whole line where words have no times", () => {
    const timed = timedOf(lines);
    expect(spokenAt(timed, 1.05)).toMatchObject({ line: 0, word: 3 });
    expect(spokenAt(timed, 3.5)).toMatchObject({ line: 1, word: -1 });
    expect(spokenAt(timed, 6)).toBeUndefined();
    expect([-1, 0, 2.5, 6, 100].map((t) => lineAt(timed, t))).toEqual([0, 0, 0, 1, 2]);
  });
  it("goes from the least likely word to the others, and knows when nothing is known", () => {
    expect(doubtfulOf(lines)).toMatchObject([{ line: 0, word: 5 }, { line: 0, word: 3 }]);
    expect(doubtfulOf(linesOf(segments.slice(1)))).toBeUndefined();
  });
});

describe("what is searched for", () => {
  const hits = (query: string, text: string) => {
    const pattern = patternOf(query);
    return pattern ? hitsIn(text, pattern).map(([from, to]) => text.slice(from, to)) : [];
  };
  it("is found without case and accents, from the beginning of a word", () => {
    expect(hits("cafe", "Ein Café und cafés, kein Decafé")).toEqual(["Café", "cafés"]);
    expect(hits('"not to" -be', "To be, or not  to be")).toEqual(["not  to"]);
    expect(hits("计划", "讨论了新的计划。")).toEqual(["计划"]);
    expect(hits("a.*(", "a.*( b")).toEqual(["a"]);
    expect(hits('- "', "nothing")).toEqual([]);
  });
  it("is found in letters that are longer without case", () => {
    expect(hits("now", "İstanbul is now")).toEqual(["now"]);
  });
  it("is the beginning of a word while it is typed, and not in quotation marks", () => {
    expect(["ladd", "two words", '"a phrase', '"done"', "star*"].map(typed)).toEqual(["ladd*", "two words*", '"a phrase', '"done"', "star*"]);
  });
  it("is marked by code points", () => {
    expect(marked({ text: "a 𝄞 clef", marks: [[2, 3]] })).toEqual([{ text: "a ", hit: false }, { text: "𝄞", hit: true }, { text: " clef", hit: false }]);
  });
});
