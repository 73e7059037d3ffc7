// Vercel's AI SDK: transcribe().
import { readFileSync } from "node:fs";
import { experimental_transcribe as transcribe } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { check, clip, end, formats, http, said, want } from "./check.mjs";

const openai = createOpenAI({ baseURL: `${http}/v1`, apiKey: "any" });
for (const model of ["whisper-1", "gpt-4o-transcribe", "moonshine-tiny-en"]) {
  await check(`transcribe, ${model}`, async () => {
    const got = await transcribe({ model: openai.transcription(model), audio: readFileSync(clip), providerOptions: { openai: { language: "en" } } });
    said(got.text);
    if (model === "whisper-1") want(got.segments.length > 0 && got.durationInSeconds > 10, got.segments, got.durationInSeconds);
  });
}
await check("transcribe with words, a language and a prompt", async () => {
  const got = await transcribe({ model: openai.transcription("moonshine-tiny-en"), audio: readFileSync(clip), providerOptions: { openai: { language: "en", prompt: "country", timestampGranularities: ["word"], temperature: 0 } } });
  said(got.text);
});
for (const file of formats) await check(`transcribe, ${file.split(".").at(-1)}`, async () => said((await transcribe({ model: openai.transcription("whisper-1"), audio: readFileSync(file) })).text));
await check("an error", async () => {
  try {
    await transcribe({ model: openai.transcription("gpt-9"), audio: readFileSync(clip), maxRetries: 0 });
  } catch (error) {
    want(error.statusCode === 404 && /gpt-9/.test(error.message), error.statusCode, error.message);
    return;
  }
  throw new Error("it was not refused");
});
end();
