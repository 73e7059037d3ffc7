// What the load script of whisper.cpp's server sends: a file, a temperature, what else that server knows, and no model. 4 and 200 users at once.
import { readFileSync } from "node:fs";
import { check, clip, end, http, said, want } from "./check.mjs";

const sound = readFileSync(clip);

// ask sends one request as a user without a key, and returns the status.
async function ask() {
  const form = new FormData();
  form.set("file", new Blob([sound], { type: "application/octet-stream" }), "jfk.wav");
  form.set("temperature", "0.0");
  form.set("temperature_inc", "0.2");
  form.set("response_format", "json");
  const response = await fetch(`${http}/v1/audio/transcriptions`, { method: "POST", body: form });
  const body = await response.json();
  if (response.status === 200) said(body.text);
  if (response.status === 429) want(Number(response.headers.get("retry-after")) >= 1 && body.error.code === "rate_limit_exceeded", body);
  return response.status;
}

for (const users of [4, 200]) {
  await check(`${users} users at once`, async () => {
    const count = {};
    for (const status of await Promise.all(Array.from({ length: users }, ask))) count[status] = (count[status] ?? 0) + 1;
    want(Object.keys(count).every((s) => s === "200" || s === "429") && count[200] > 0, count);
    want(users > 4 || count[200] === users, count);
  });
}
end();
