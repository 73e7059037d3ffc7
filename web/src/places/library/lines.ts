// A transcript as the page shows it: lines (segments), their words with places in the text, and paragraphs.
import type { Schema } from "../../api/client";

/** WordAt is a word of a line: from and to are offsets in its text, start and end seconds of the audio, probability from 0 to 1. What the model does not give is absent. */
export interface WordAt {
  from: number;
  to: number;
  start?: number;
  end?: number;
  probability?: number;
}

export interface Line {
  index: number;
  text: string;
  start: number;
  end: number;
  channel?: string;
  language?: string;
  words: WordAt[];
}

export interface Paragraph {
  lines: Line[];
}

/** Place is a word: the number of its line and its number there. */
export interface Place {
  line: number;
  word: number;
}

/** linesOf finds each word in the text of its segment. A word that is not there, because somebody else wrote the text, is left out. */
export function linesOf(segments: Schema["Segment"][]): Line[] {
  return segments.map((segment, index) => {
    const words: WordAt[] = [];
    let behind = 0;
    for (const { word, start, end, logprob } of segment.words ?? []) {
      const said = word.trim();
      const from = said ? segment.text.indexOf(said, behind) : -1;
      if (from < 0) continue;
      behind = from + said.length;
      words.push({ from, to: behind, start, end, probability: logprob === undefined ? undefined : Math.exp(logprob) });
    }
    return { index, text: segment.text, start: segment.start, end: segment.end, channel: segment.channel, language: segment.language, words };
  });
}

const ends = /[.!?…。！？؟।۔]["'”’»」』)]*$/;

/** paragraphsOf parts a text where the formats for people do: docs/formats/transcript-json.md, "text". */
export function paragraphsOf(lines: Line[]): Paragraph[] {
  const all: Paragraph[] = [];
  let length = 0;
  for (const line of lines) {
    const before = all.at(-1)?.lines.at(-1);
    const pause = before ? line.start - before.end : 0;
    const sentence = before !== undefined && ends.test(before.text.trimEnd());
    const parts = !before || before.channel !== line.channel || pause >= 4 || (sentence && (pause >= 2 || (length > 500 && pause >= 1) || (length > 1000 && pause >= 0.6) || length > 2000));
    if (parts) {
      all.push({ lines: [] });
      length = 0;
    }
    all.at(-1)?.lines.push(line);
    length += line.text.length;
  }
  return all;
}

const together = new Set(["zh", "ja", "th", "lo", "km", "my", "yue"]);

/** spaceOf is what stands between two lines of a language: nothing where it is written without spaces. */
export const spaceOf = (language?: string): string => (language && together.has(language.split("-")[0] ?? "") ? "" : " ");

/** Timed is a stretch of the audio and what was said there: a word, or a whole line whose words have no times. */
interface Timed extends Place {
  start: number;
  end: number;
}

/** timed is everything that has a time, in the order of time. word is -1 for a whole line. */
export function timedOf(lines: Line[]): Timed[] {
  const all: Timed[] = [];
  for (const line of lines) {
    const count = all.length;
    line.words.forEach(({ start, end }, word) => {
      if (start !== undefined) all.push({ line: line.index, word, start, end: end ?? start });
    });
    if (all.length === count) all.push({ line: line.index, word: -1, start: line.start, end: line.end });
  }
  return all.sort((a, b) => a.start - b.start);
}

const lingers = 1; // s: a word stays marked in a pause, but not in a long one

/** spokenAt is what is said at a time; undefined in a pause. */
export function spokenAt(timed: Timed[], seconds: number): Timed | undefined {
  const found = timed[lastBefore(timed, seconds)];
  return found && seconds < found.end + lingers ? found : undefined;
}

/** lineAt is the line at a time, or the last one before it; 0 before the first. */
export const lineAt = (timed: Timed[], seconds: number): number => timed[Math.max(0, lastBefore(timed, seconds))]?.line ?? 0;

function lastBefore(timed: Timed[], seconds: number): number {
  let low = 0;
  let high = timed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((timed[middle] as Timed).start <= seconds + 0.01) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const doubtfulBelow = 0.6;

/** doubtfulOf are the words of which the model was not sure, the least likely first. It is undefined where the model gives no probabilities. */
export function doubtfulOf(lines: Line[]): Place[] | undefined {
  const all = lines.flatMap((line) => line.words.flatMap(({ probability }, word) => (probability === undefined ? [] : [{ line: line.index, word, probability }])));
  if (all.length === 0) return undefined;
  return all.filter((one) => one.probability < doubtfulBelow).sort((a, b) => a.probability - b.probability);
}

// Without the language of the browser: in Turkish, I is no i. The daemon finds them alike.
const folded = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** patternOf is what a query marks in a text: its words, as the daemon finds them; undefined where there is nothing to find. */
export function patternOf(query: string): RegExp | undefined {
  const terms = [...query.matchAll(/(-?)(?:"([^"]*)"|(\S+))/g)].filter(([, without]) => !without).map(([, , phrase, word]) => phrase ?? word ?? "");
  const words = terms.map((term) => folded(term).match(/[\p{L}\p{N}]+/gu)?.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("[^\\p{L}\\p{N}]+") ?? "").filter(Boolean);
  if (words.length === 0) return undefined;
  const spaceless = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
  return new RegExp(words.map((w) => (spaceless.test(w) ? w : `(?<![\\p{L}\\p{N}])${w}[\\p{L}\\p{N}]*`)).join("|"), "gu");
}

/** hitsIn are the places in a text that a pattern finds, from and to. */
export function hitsIn(text: string, pattern: RegExp): [number, number][] {
  const plain = folded(text);
  if (plain.length === text.length) return [...plain.matchAll(pattern)].map((m) => [m.index, m.index + m[0].length]);
  // An accent that is a character of its own, or a letter that is two without case: the way back is found letter by letter.
  const back: number[] = [];
  let at = 0;
  for (const letter of text) {
    for (let i = 0; i < folded(letter).length; i++) back.push(at);
    at += letter.length;
  }
  back.push(at);
  return [...plain.matchAll(pattern)].map((m) => [back[m.index] ?? at, back[m.index + m[0].length] ?? at]);
}

/** typed is a query while it is being typed: its last word is the beginning of one. */
export const typed = (query: string): string => (/[\p{L}\p{N}]$/u.test(query) && (query.match(/"/g)?.length ?? 0) % 2 === 0 ? query + "*" : query);

/** marked parts a snippet into what matches and what does not. Marks count code points. */
export function marked(snippet: Schema["Snippet"]): { text: string; hit: boolean }[] {
  const letters = [...snippet.text];
  const parts: { text: string; hit: boolean }[] = [];
  let at = 0;
  for (const mark of snippet.marks ?? []) {
    const [from = 0, to = 0] = mark ?? [];
    if (from > at) parts.push({ text: letters.slice(at, from).join(""), hit: false });
    parts.push({ text: letters.slice(from, to).join(""), hit: true });
    at = to;
  }
  if (at < letters.length) parts.push({ text: letters.slice(at).join(""), hit: false });
  return parts;
}
