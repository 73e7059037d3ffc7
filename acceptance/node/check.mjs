// What the programs share: one line for each check, as acceptance/run.mjs reads them, and where Scout is.
import { readFileSync } from "node:fs";

export const http = process.env.SCOUT_HTTP; // http://127.0.0.1:PORT
export const https = process.env.SCOUT_HTTPS; // https://localhost:PORT, certified by $NODE_EXTRA_CA_CERTS
export const key = process.env.SCOUT_KEY; // of a client
export const clip = process.env.SCOUT_CLIP; // 11 s of President Kennedy, WAV
export const formats = (process.env.SCOUT_FORMATS ?? "").split(" ").filter(Boolean); // the same in other formats

let failed = 0;

// check runs one check, and goes on whatever comes of it. A check that does not end within two minutes has failed.
export async function check(name, run) {
  let timer;
  const late = new Promise((_, refuse) => { timer = setTimeout(() => refuse(new Error("it did not end within 120 s")), 120_000); });
  try {
    await Promise.race([run(), late]);
    console.log(`ok - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok - ${name}: ${String(error?.message ?? error).replaceAll("\n", " ").slice(0, 300)}`);
  } finally {
    clearTimeout(timer);
  }
}

// end ends the program.
export function end() { process.exit(failed > 0 ? 1 : 0); }

// want fails unless something is true.
export function want(truth, ...about) {
  if (!truth) throw new Error(about.map((x) => (typeof x === "string" ? x : JSON.stringify(x))).join(" ") || "it is not so");
}

// said fails unless a text is what is said in the clip, as far as a small model hears it.
export function said(text) { want(/ask not what your country/i.test(text ?? ""), "the text is", text); }

// refused fails unless a promise is refused with such an error, which it returns.
export async function refused(promise, kind, status) {
  try {
    await promise;
  } catch (error) {
    want(error instanceof kind && error.status === status, "it was refused with", error?.constructor?.name, String(error?.status), error?.message);
    return error;
  }
  throw new Error("it was not refused");
}

// pcm is the sound of the clip as PCM of 24 kHz, which realtime sessions take: 3 samples of 2, in between them halfway.
export function pcm() {
  const wav = readFileSync(clip);
  let at = 12;
  while (wav.toString("latin1", at, at + 4) !== "data") at += 8 + wav.readUInt32LE(at + 4);
  const from = new Int16Array(new Uint8Array(wav.subarray(at + 8, at + 8 + wav.readUInt32LE(at + 4))).buffer);
  const to = new Int16Array(Math.floor((from.length * 3) / 2));
  for (let i = 0; i < to.length; i++) {
    const x = (i * 2) / 3, k = Math.floor(x);
    to[i] = Math.round(from[k] + (x - k) * ((from[k + 1] ?? from[k]) - from[k]));
  }
  return Buffer.from(to.buffer);
}

// sleep waits.
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
