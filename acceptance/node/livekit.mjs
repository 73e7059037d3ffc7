// LiveKit's agents: openai.STT for files and for speech with pauses.
import { readFileSync } from "node:fs";
import { initializeLogger } from "@livekit/agents";
import { STT } from "@livekit/agents-plugin-openai";
import { AudioFrame } from "@livekit/rtc-node";
import { check, end, http, https, key, pcm, said, sleep, want } from "./check.mjs";

initializeLogger({ pretty: false, level: "error" });
const sound = pcm();
const samples = new Int16Array(new Uint8Array(sound).buffer);
const frame = (from, to) => new AudioFrame(samples.slice(from, to), 24000, 1, to - from);

await check("a file", async () => {
  const stt = new STT({ baseURL: `${http}/v1`, apiKey: "any", model: "whisper-1", useRealtime: false });
  const event = await stt.recognize(frame(0, samples.length));
  said(event.alternatives[0].text);
});
for (const [what, base] of [["plain", http], ["TLS", https]]) {
  await check(`a stream of speech with a pause, ${what}`, async () => {
    const stt = new STT({ baseURL: `${base}/v1`, apiKey: key, model: "gpt-4o-transcribe", useRealtime: true, language: "en" });
    const stream = stt.stream();
    let text = "";
    const reading = (async () => { for await (const event of stream) if (event.type === 2 || event.type === "final_transcript") text += ` ${event.alternatives?.[0]?.text ?? ""}`; })();
    for (let at = 0; at < samples.length; at += 2400) { stream.pushFrame(frame(at, Math.min(samples.length, at + 2400))); await sleep(5); }
    for (let i = 0; i < 20; i++) stream.pushFrame(new AudioFrame(new Int16Array(2400), 24000, 1, 2400)); // 2 s of silence
    for (let i = 0; i < 300 && !/country/i.test(text); i++) await sleep(100);
    stream.close();
    await Promise.race([reading, sleep(2000)]);
    want(/country/i.test(text), "the text is", text);
  });
}
end();
