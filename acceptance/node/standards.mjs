// Libraries of three standards: tus for uploads, EventSource for events, Standard Webhooks for what is delivered.
import { createReadStream, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { EventSource } from "eventsource";
import { Webhook } from "standardwebhooks";
import { Upload } from "tus-js-client";
import { check, clip, end, http, https, key, said, want } from "./check.mjs";

const owner = process.env.SCOUT_OWNER_KEY;
const headers = { Authorization: `Bearer ${owner}` };
const get = async (path) => (await fetch(http + path, { headers })).json();

// sent sends the clip by tus, and returns what HEAD tells of it.
async function sent(options = {}) {
  let url;
  await new Promise((done, fail) => {
    const upload = new Upload(createReadStream(clip), { endpoint: `${http}/api/v1/uploads`, headers, chunkSize: 50_000, metadata: { filename: "jfk.wav", filetype: "audio/wav", ...options.metadata }, retryDelays: [0, 10, 100, 1000], onError: fail, onSuccess: done, ...options.tus?.(() => upload) });
    upload.start();
    upload._done = () => (url = upload.url);
    const before = upload.options.onSuccess;
    upload.options.onSuccess = (...all) => { url = upload.url; before(...all); };
  });
  const head = await fetch(new URL(url, http), { method: "HEAD", headers: { ...headers, "Tus-Resumable": "1.0.0" } });
  return { recording: head.headers.get("scout-recording"), job: head.headers.get("scout-job") };
}

await check("tus: an upload in pieces, and its text", async () => {
  const { recording, job } = await sent();
  want(recording && job, recording, job);
  let j;
  do j = await get(`/api/v1/jobs/${job}?wait=60`); while (!["succeeded", "dead", "cancelled"].includes(j.state));
  want(j.state === "succeeded", j);
  said((await get(`/api/v1/transcripts/${recording}`)).text);
});
await check("tus: aborted in the middle and resumed", async () => {
  let aborted = false;
  const { recording } = await sent({ tus: (upload) => ({ onProgress: (bytes) => { if (!aborted && bytes > 100_000) { aborted = true; upload().abort().then(() => upload().start()); } } }) });
  want(aborted && recording, aborted, recording);
});
await check("tus: what is no number of bytes is refused", async () => {
  try {
    await sent({ metadata: { nonsense: "1" }, tus: () => ({ retryDelays: [] }) });
  } catch (error) {
    want(error.originalResponse.getStatus() === 422, error.message);
    return;
  }
  throw new Error("it was not refused");
});
await check("EventSource: events, and again behind the last one", async () => {
  const types = [];
  const open = (after) => new EventSource(`${https}/api/v1/events${after ? `?after=${after}` : ""}`, { fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }) });
  const first = open();
  let last = 0;
  await new Promise((done, fail) => {
    first.onopen = () => sent({ metadata: { transcribe: "false" } }).catch(fail);
    first.addEventListener("upload.finished", (e) => { last = e.lastEventId; types.push(e.type); done(); });
  });
  first.close();
  want(Number(last) > 0, last);
  await sent({ metadata: { transcribe: "false" } });
  const second = open(last);
  await new Promise((done) => second.addEventListener("upload.finished", (e) => { want(Number(e.lastEventId) > Number(last)); done(); }));
  second.close();
});
await check("Standard Webhooks: a delivery is verified", async () => {
  let take;
  const taken = new Promise((done) => { take = done; });
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => { response.writeHead(204).end(); take({ headers: request.headers, body: Buffer.concat(parts).toString() }); });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const made = await (await fetch(`${http}/api/v1/webhooks`, { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/`, events: ["job.succeeded"], include_text: true }) })).json();
  want(made.secret?.startsWith("whsec_"), made);
  try {
    await sent();
    const { headers: got, body } = await taken;
    const message = new Webhook(made.secret).verify(body, got);
    want(message.type === "job.succeeded", message);
    let forged = false;
    try { new Webhook(made.secret).verify(body.replace("job", "jab"), got); } catch { forged = true; }
    want(forged, "a changed body is verified");
  } finally {
    await fetch(`${http}/api/v1/webhooks/${made.id}`, { method: "DELETE", headers });
    server.close();
  }
});
end();
