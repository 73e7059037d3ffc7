// A page that sends its microphone to Scout as docs/API.md says ("Sound while it is made"): it keeps each frame until that is acknowledged, and
// goes on with its session over another connection when one has broken.

const retryAfter = 100; // ms

class Dictation {
  constructor(server, key, stream) {
    Object.assign(this, { server, key, stream, id: "", after: 0, kept: [], at: 0, text: "", final: null, last: null, connections: 0, refused: 0, error: null, stopping: false });
    this.done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
  }

  async begin() {
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("worklet.js");
    const node = new AudioWorkletNode(this.context, "frames", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => this.heard(data);
    this.source = this.context.createMediaStreamSource(this.stream);
    this.source.connect(node);
    addEventListener("offline", () => this.socket.close());
    this.connect();
  }

  heard(samples) {
    if (this.stopping) return;
    const block = { from: this.at, samples };
    this.at += samples.length;
    this.kept.push(block);
    if (this.ready) this.send(block, 0);
  }

  connect() {
    this.ready = false;
    const socket = (this.socket = new WebSocket(this.server.replace("http", "ws") + "/api/v1/live", ["scout-live.v1", "openai-insecure-api-key." + this.key]));
    socket.onopen = () => {
      this.connections++;
      const format = { sample_rate: this.context.sampleRate, channels: 1, sample_format: "f32" };
      socket.send(JSON.stringify(this.id ? { type: "start", id: this.id, after: this.after } : { type: "start", format, language: "en", title: "from a page" }));
    };
    socket.onmessage = ({ data }) => this.told(JSON.parse(data));
    socket.onclose = ({ code }) => {
      this.ready = false;
      if (code === 1000 && this.last) return this.resolve();
      if (this.error && code === 1008) return this.reject(new Error(this.error.message));
      if (this.connections === 0 && !this.id) return this.reject(new Error("no connection: " + code));
      this.again();
    };
  }

  again() {
    this.refused++;
    setTimeout(() => this.connect(), retryAfter);
  }

  // leave connects again although the browser keeps the connection that is there, as Chromium sometimes does without a network.
  leave() {
    this.ready = false;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.again();
  }

  told(m) {
    if (m.seq && m.seq !== ++this.after) return this.reject(new Error(`event ${m.seq} came as the ${this.after}th`));
    switch (m.type) {
      case "ready":
        this.id = m.id;
        this.ready = true;
        for (const block of this.kept) this.send(block, Math.max(0, m.next_frame - block.from));
        if (this.stopping) this.sendStop();
        break;
      case "ack":
        this.kept = this.kept.filter(({ from, samples }) => from + samples.length > m.frames);
        this.acknowledged = m.frames;
        break;
      case "committed":
        this.text += m.text;
        break;
      case "final":
        this.final = m;
        break;
      case "state":
        if (m.state === "done" || m.state === "failed") this.last = m;
        break;
      case "error":
        this.error = m.error;
        break;
    }
  }

  send({ from, samples }, skip) {
    const frames = samples.subarray(skip);
    if (frames.length === 0) return;
    const message = new Uint8Array(8 + frames.byteLength);
    new DataView(message.buffer).setBigUint64(0, BigInt(from + skip), true);
    message.set(new Uint8Array(frames.buffer, frames.byteOffset, frames.byteLength), 8);
    this.socket.send(message);
  }

  sendStop() {
    this.socket.send(JSON.stringify({ type: "stop", frames: this.at }));
  }

  async stop() {
    this.stopping = true;
    if (this.ready) this.sendStop();
    await this.done;
    this.source.disconnect();
    await this.context.close();
    const { id, at, acknowledged, text, final, last, connections, refused, context } = this;
    return { id, frames: at, acknowledged, text, final, last, connections, refused, rate: context.sampleRate };
  }
}

// microphone is the microphone as it is, without what a call would do to its sound.
const microphone = () => navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 } });

window.dictate = async (server, key) => {
  const d = new Dictation(server, key, await microphone());
  await d.begin();
  window.dictation = d;
};

// opened tells whether a WebSocket is opened.
window.opened = (server, key) =>
  new Promise((resolve) => {
    const socket = new WebSocket(server.replace("http", "ws") + "/api/v1/live", ["scout-live.v1", "openai-insecure-api-key." + key]);
    socket.onopen = () => (socket.close(), resolve(true));
    socket.onerror = () => resolve(false);
  });

// asked is what fetch gives: the answer as far as the page may see it, or why there is none.
window.asked = async (url, options) => {
  try {
    const r = await fetch(url, options);
    return { status: r.status, type: r.type, request: r.headers.get("X-Request-Id"), code: r.headers.get("X-Scout-Code"), body: await r.text() };
  } catch (e) {
    return { failed: e.name };
  }
};

// followed collects the events of a stream in window.events, of which those with a name in types are listened to.
window.follow = (url, types) =>
  new Promise((resolve, reject) => {
    const source = (window.source = new EventSource(url));
    window.events = [];
    window.opens = 0;
    source.onopen = () => (window.opens++, resolve());
    source.onerror = () => source.readyState === EventSource.CLOSED && reject(new Error("the stream was refused"));
    for (const type of types) source.addEventListener(type, (e) => window.events.push({ id: e.lastEventId, type, ...JSON.parse(e.data) }));
  });
