// OpenAI's library for Node: files, streams, models, errors. The first argument is which one: openai-6 or openai-7.
import { createReadStream, openSync, writeSync, ftruncateSync, closeSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, clip, end, formats, http, https, key, refused, said, want } from "./check.mjs";

const { default: OpenAI, toFile } = await import(process.argv[2]);
const client = new OpenAI({ baseURL: `${http}/v1`, apiKey: "any" }); // no key of Scout's is needed on this machine
const ask = (options) => client.audio.transcriptions.create({ file: createReadStream(clip), model: "whisper-1", ...options });

await check("json", async () => {
  const got = await ask({});
  said(got.text);
  want(got.usage?.type === "duration" && got.usage.seconds === 11, got.usage);
});
for (const model of ["gpt-4o-transcribe", "gpt-4o-mini-transcribe", "default", "moonshine-tiny-en"]) {
  await check(`model ${model}`, async () => said((await ask({ model })).text));
}
await check("text", async () => said(await ask({ response_format: "text" })));
await check("srt", async () => { const got = await ask({ response_format: "srt" }); said(got.replaceAll("\n", " ")); want(/^1\n00:00:0\d,\d{3} --> 00:/.test(got), got); });
await check("vtt", async () => { const got = await ask({ response_format: "vtt" }); want(got.startsWith("WEBVTT\n\n"), got); });
await check("verbose_json with words and segments", async () => {
  const got = await ask({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"], model: "moonshine-tiny-en" });
  said(got.text);
  want(got.language === "english" && Math.abs(got.duration - 11) < 0.1, got.language, got.duration);
  want(got.words.length > 15 && got.words.every((w) => w.end >= w.start), got.words);
  for (const name of ["id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob"]) want(name in got.segments[0], name);
});
await check("verbose_json with words alone", async () => {
  const got = await ask({ response_format: "verbose_json", timestamp_granularities: ["word"], model: "moonshine-tiny-en" });
  want(got.segments === undefined && got.words.length > 0, Object.keys(got));
});
await check("stream", async () => {
  let deltas = "", done;
  for await (const event of await ask({ stream: true })) {
    if (event.type === "transcript.text.delta") { want(event.delta.trim() !== "", "a blank delta"); deltas += event.delta; }
    if (event.type === "transcript.text.done") done = event;
  }
  said(done.text);
  want(deltas === done.text, deltas, done.text);
  want(done.usage.type === "tokens" && done.usage.total_tokens === done.usage.input_tokens + done.usage.output_tokens, done.usage);
});
await check("stream over TLS and HTTP/1.1", async () => {
  const secure = new OpenAI({ baseURL: `${https}/v1`, apiKey: key });
  let text = "";
  for await (const event of await secure.audio.transcriptions.create({ file: createReadStream(clip), model: "whisper-1", stream: true })) if (event.type === "transcript.text.done") text = event.text;
  said(text);
});
await check("toFile without a name", async () => said((await ask({ file: await toFile(readFileSync(clip)) })).text));
await check("prompt, language, temperature, include", async () => said((await ask({ prompt: "Kennedy, country", language: "en", temperature: 0, include: ["logprobs"], model: "gpt-4o-transcribe" })).text));
for (const file of formats) await check(`format ${file.split(".").at(-1)}`, async () => said((await ask({ file: createReadStream(file) })).text));
await check("createReadStream of 200 MB", async () => {
  const path = join(tmpdir(), `scout-acceptance-${process.pid}.wav`);
  const head = readFileSync(clip).subarray(0, 44), bytes = 200 << 20;
  head.writeUInt32LE(bytes + 36, 4);
  head.writeUInt32LE(bytes, 40);
  head.write("data", 36, "latin1");
  head.writeUInt32LE(16, 16);
  const f = openSync(path, "w");
  writeSync(f, head);
  ftruncateSync(f, 44 + bytes); // digital silence
  closeSync(f);
  try {
    const got = await ask({ file: createReadStream(path) });
    want(got.text === "", got.text.slice(0, 80));
    want(got.usage.seconds === Math.ceil(bytes / 32000), got.usage);
  } finally {
    rmSync(path);
  }
});
await check("translations", async () => {
  const models = await client.models.list();
  const can = models.data.some((m) => /^whisper-(?!1$|.*en$)/.test(m.id));
  const sent = client.audio.translations.create({ file: createReadStream(clip), model: "whisper-1" });
  if (can) said((await sent).text); else want((await refused(sent, OpenAI.BadRequestError, 400)).param === "model");
});
await check("models", async () => {
  const all = [];
  for await (const m of client.models.list()) all.push(m.id);
  want(all.includes("moonshine-tiny-en") && all.includes("whisper-1"), all);
  want((await client.models.retrieve("moonshine-tiny-en")).object === "model");
});
const once = new OpenAI({ baseURL: `${http}/v1`, apiKey: "any", maxRetries: 0 });
await check("error: unknown model", async () => { const e = await refused(ask({ model: "gpt-9" }), OpenAI.NotFoundError, 404); want(e.code === "model_not_found", e.error); });
await check("error: not audio", async () => { const e = await refused(ask({ file: await toFile(Buffer.from("hello, this is no sound"), "a.wav") }), OpenAI.BadRequestError, 400); want(e.param === "file" && e.type === "invalid_request_error" && e.code === null, e.error); });
await check("error: an empty file", async () => { const e = await refused(ask({ file: await toFile(Buffer.alloc(0), "a.wav") }), OpenAI.BadRequestError, 400); want(e.param === "file", e.error); });
await check("error: 50 ms", async () => { const size = Buffer.alloc(4); size.writeUInt32LE(1600); const head = Buffer.concat([Buffer.from(readFileSync(clip).subarray(0, 36)), Buffer.from("data"), size, Buffer.alloc(1600)]); head.writeUInt32LE(1636, 4); const e = await refused(ask({ file: await toFile(head, "a.wav") }), OpenAI.BadRequestError, 400); want(e.code === "audio_too_short", e.error); });
await check("error: response_format", async () => { const e = await refused(ask({ response_format: "xml" }), OpenAI.BadRequestError, 400); want(e.param === "response_format", e.error); });
await check("error: temperature", async () => { const e = await refused(ask({ temperature: 2 }), OpenAI.BadRequestError, 400); want(e.param === "temperature", e.error); });
await check("error: language", async () => { const e = await refused(ask({ language: "klingon!" }), OpenAI.BadRequestError, 400); want(e.code === "invalid_language_format", e.error); });
await check("error: stream with srt", async () => { const e = await refused(ask({ stream: true, response_format: "srt" }), OpenAI.BadRequestError, 400); want(e.param === "response_format", e.error); });
await check("error: words without verbose_json", async () => refused(ask({ timestamp_granularities: ["word"] }), OpenAI.BadRequestError, 400));
await check("error: a wrong key", async () => { const e = await refused(new OpenAI({ baseURL: `${http}/v1`, apiKey: "sk-scout-wrong" }).models.list(), OpenAI.AuthenticationError, 401); want(e.code === "invalid_api_key", e.error); });
await check("error: an unknown path", async () => { const e = await refused(once.chat.completions.create({ model: "x", messages: [] }), OpenAI.NotFoundError, 404); want(e.code === "unknown_url", e.error); });
await check("error: deleting a model is the owner's", async () => refused(once.models.delete("moonshine-tiny-en"), OpenAI.PermissionDeniedError, 403));
await check("abort", async () => {
  const abort = new AbortController();
  const sent = client.audio.transcriptions.create({ file: createReadStream(clip), model: "whisper-1" }, { signal: abort.signal });
  abort.abort();
  try { await sent; } catch (error) { want(error instanceof OpenAI.APIUserAbortError, error); return; }
  throw new Error("it was not aborted");
});
end();
