// Hands on what the microphone gives, in blocks of a twentieth of a second.
class Frames extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.floor(sampleRate / 20));
    this.filled = 0;
  }

  process([[channel]]) {
    for (let from = 0; channel && from < channel.length;) {
      const n = Math.min(channel.length - from, this.block.length - this.filled);
      this.block.set(channel.subarray(from, from + n), this.filled);
      this.filled += n;
      from += n;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("frames", Frames);
