import { expect, it } from "vitest";
import { filesIn } from "./dropped";

type Entry = Partial<FileSystemFileEntry & FileSystemDirectoryEntry>;
const file = (name: string, type = "audio/wav"): Entry => ({ name, isFile: true, file: (yes) => yes(new File(["x"], name, { type })) });
const gone = (name: string): Entry => ({ name, isFile: true, file: (_, no) => no?.(new DOMException("gone", "NotFoundError")) });
const folder = (name: string, ...all: Entry[]): Entry => {
  const parts = [all, []];
  return { name, isFile: false, createReader: () => ({ readEntries: (yes) => yes((parts.shift() ?? []) as FileSystemEntry[]) }) };
};
const dropped = async (...entries: Entry[]) => {
  const { files, unread } = await filesIn({ items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })), files: [] } as unknown as DataTransfer);
  return [files.map((one) => one.name), unread];
};

it("takes what can be read where something cannot", async () => expect(await dropped(file("a.wav"), gone("b.wav"), folder("c", gone("d.wav"), file("e.wav")))).toEqual([["a.wav", "e.wav"], 2]));
it("leaves out of folders what is no audio, and takes what was dropped by itself", async () =>
  expect(await dropped(file("notes.txt", "text/plain"), folder("c", file("cover.jpg", "image/jpeg"), file("list.pdf", "application/pdf"), file(".hidden.wav"), file("f.mp4", "video/mp4"), file("g.amr", "")))).toEqual([["notes.txt", "f.mp4", "g.amr"], 0]));
