// Hands the sound of a microphone over in blocks of 16-bit samples, and the rest when it is asked for.

declare const registerProcessor: (name: string, of: new () => object) => void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

const size = 2048; // frames: 43 ms at 48 kHz

class Frames extends AudioWorkletProcessor {
  block = new Int16Array(size);
  filled = 0;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.give();
      this.port.postMessage(null); // everything before the question was given
    };
  }

  give(): void {
    if (this.filled === 0) return;
    const samples = this.block.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(samples, [samples.buffer]);
  }

  process(inputs: Float32Array[][]): boolean {
    for (const value of inputs[0]?.[0] ?? []) {
      this.block[this.filled++] = Math.round(Math.max(-1, Math.min(1, value)) * 32767);
      if (this.filled === size) this.give();
    }
    return true;
  }
}

registerProcessor("frames", Frames);
