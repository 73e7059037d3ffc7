// How loud it is, and was: for the ring and the waveform.

const floor = -60; // dBFS, shown as nothing
const every = 0.1; // s of one bar of the waveform

const shown = (linear: number): number => Math.max(0, Math.min(1, 1 - (20 * Math.log10(Math.max(linear, 1e-6))) / floor));

export class Levels {
  /** now is from 0 (silence) to 1 (full scale), on the scale of hearing. */
  now = $state(0);
  /** bars are the last ones of the waveform, oldest first, from 0 to 1. */
  bars = $state.raw<number[]>([]);
  #most = 96;
  #since = 0;
  #peak = 0;

  clear(): void {
    this.now = this.#since = this.#peak = 0;
    this.bars = [];
  }

  /** samples takes sound of 16 bits. */
  samples(samples: Int16Array, rate = 48_000): void {
    let sum = 0;
    let peak = 0;
    for (const one of samples) {
      sum += one * one;
      peak = Math.max(peak, Math.abs(one));
    }
    this.add(Math.sqrt(sum / Math.max(1, samples.length)) / 32768, peak / 32768, samples.length / rate);
  }

  /** add takes the level, linear, of as many seconds. */
  add(rms: number, peak: number, seconds: number): void {
    this.now = shown(rms);
    this.#peak = Math.max(this.#peak, Math.sqrt(peak)); // between loudness and pressure: pauses are seen, and so are quiet words
    this.#since += seconds;
    if (this.#since < every) return;
    this.bars = [...this.bars.slice(1 - this.#most), this.#peak];
    this.#since = this.#peak = 0;
  }
}
