// OpenAI's library for Node: transcription sessions over TLS, in both dialects, and as a browser opens them.
import { WebSocket } from "ws";
import { check, end, https, key, pcm, said, want } from "./check.mjs";

const name = process.argv[2], ga = `${name}/realtime/ws`, beta = `${name}/beta/realtime/ws`;
const { default: OpenAI } = await import(name);
const client = new OpenAI({ baseURL: `${https}/v1`, apiKey: key });
const sound = pcm();

// session collects the events of one session until the one that ends it, or an error.
function session(rt, until) {
  const events = [];
  const over = new Promise((done, fail) => {
    rt.on("event", (event) => { events.push(event); if (event.type === until) done(event); });
    rt.on("error", (error) => fail(new Error(`error: ${error.message}`)));
    rt.socket.addEventListener("close", (e) => fail(new Error(`closed with ${e.code} ${e.reason}`)));
  });
  over.catch(() => {}); // whoever awaits it hears of it
  return { events, over, first: (type) => new Promise((done) => rt.on(type, done)), types: () => events.map((e) => e.type) };
}

// send sends the clip in pieces of 100 ms, faster than it was spoken.
function send(rt) {
  for (let at = 0; at < sound.length; at += 4800) rt.send({ type: "input_audio_buffer.append", audio: sound.subarray(at, at + 4800).toString("base64") });
}

// order fails unless these types come in this order.
function order(types, wanted) {
  let at = -1;
  for (const type of wanted) { const next = types.indexOf(type, at + 1); want(next > at, type, "is not in its place:", types); at = next; }
}

const completed = "conversation.item.input_audio_transcription.completed";
const { OpenAIRealtimeWS } = await import(ga);
for (const how of name === "openai-6" ? ["model"] : ["intent", "model"]) {
  await check(`GA, ${how}: null turn detection and a commit`, async () => {
    const rt = new OpenAIRealtimeWS(how === "intent" ? { intent: "transcription" } : { model: "gpt-4o-transcribe" }, client);
    const s = session(rt, completed);
    await s.first("session.created");
    rt.send({ type: "session.update", session: { type: "transcription", audio: { input: { format: { type: "audio/pcm", rate: 24000 }, turn_detection: null, transcription: { model: "gpt-4o-transcribe", language: "en" } } } } });
    await s.first("session.updated");
    send(rt);
    rt.send({ type: "input_audio_buffer.commit" });
    said((await s.over).transcript);
    order(s.types(), ["session.created", "session.updated", "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done", completed]);
    const deltas = s.events.filter((e) => e.type.endsWith(".delta")).map((e) => e.delta).join("");
    want(s.events.at(-1).transcript.startsWith(deltas), deltas);
    rt.close();
  });
}
await check("GA: the server's turns, and a commit at the end", async () => {
  const rt = new OpenAIRealtimeWS(name === "openai-6" ? { model: "gpt-4o-transcribe" } : { intent: "transcription" }, client);
  const s = session(rt, completed);
  await s.first("session.created");
  send(rt);
  rt.send({ type: "input_audio_buffer.append", audio: Buffer.alloc(96000).toString("base64") }); // 2 s of silence
  await s.over;
  rt.send({ type: "input_audio_buffer.commit" }); // right behind the server's own: no error
  rt.send({ type: "input_audio_buffer.clear" });
  await s.first("input_audio_buffer.cleared");
  order(s.types(), ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed", completed]);
  want(!s.types().includes("error"), s.types());
  rt.close();
});
await check("GA: silence completes with an empty text", async () => {
  const rt = new OpenAIRealtimeWS({ model: "gpt-realtime-whisper" }, client);
  const s = session(rt, completed);
  await s.first("session.created");
  rt.send({ type: "input_audio_buffer.append", audio: Buffer.alloc(48000).toString("base64") });
  rt.send({ type: "input_audio_buffer.commit" });
  want((await s.over).transcript === "", s.events.at(-1));
  rt.close();
});
await check("GA: errors leave the session open", async () => {
  const rt = new OpenAIRealtimeWS({ model: "gpt-realtime-whisper" }, client);
  const errors = [];
  rt.on("error", (e) => errors.push(e.error?.code));
  await new Promise((done) => rt.on("session.created", done));
  rt.send({ type: "response.create" });
  rt.send({ type: "input_audio_buffer.commit" });
  rt.send({ type: "session.update", session: { type: "transcription", audio: { input: { transcription: { model: "gpt-9" } } } } });
  rt.send({ type: "input_audio_buffer.clear" });
  await new Promise((done) => rt.on("input_audio_buffer.cleared", done));
  want(String(errors) === "invalid_event,input_audio_buffer_commit_empty,invalid_model", errors);
  rt.close();
});
await check("beta: transcription_session.update", async () => {
  const { OpenAIRealtimeWS: Beta } = await import(beta);
  const rt = new Beta({ model: "gpt-4o-transcribe" }, client);
  const s = session(rt, completed);
  await s.first("transcription_session.created");
  rt.send({ type: "transcription_session.update", session: { input_audio_format: "pcm16", input_audio_transcription: { model: "whisper-1", language: "en" }, turn_detection: null } });
  await s.first("transcription_session.updated");
  send(rt);
  rt.send({ type: "input_audio_buffer.commit" });
  said((await s.over).transcript);
  order(s.types(), ["input_audio_buffer.committed", "conversation.item.created", completed]);
  rt.close();
});
await check("client secret, and the subprotocols of a browser", async () => {
  const secret = await client.realtime.clientSecrets.create({ session: { type: "transcription", audio: { input: { turn_detection: null, transcription: { model: "gpt-4o-transcribe" } } } }, expires_after: { anchor: "created_at", seconds: 60 } });
  want(secret.value.startsWith("ek_") && secret.expires_at * 1000 > Date.now(), secret.value);
  globalThis.WebSocket ??= WebSocket; // of Node 22
  const { OpenAIRealtimeWebSocket } = await import(`${name}/realtime/websocket`);
  const rt = new OpenAIRealtimeWebSocket(name === "openai-6" ? { model: "gpt-4o-transcribe" } : { intent: "transcription" }, new OpenAI({ baseURL: `${https}/v1`, apiKey: secret.value }));
  const s = session(rt, completed);
  const created = await s.first("session.created");
  want(created.session.audio.input.turn_detection === null, "turn detection is", created.session.audio.input.turn_detection);
  send(rt);
  rt.send({ type: "input_audio_buffer.commit" });
  said((await s.over).transcript);
  rt.close();
});
end();
