// Whether sound comes as fast as time goes by. A page that was busy gets its blocks late and all at once; a computer that slept never gets them.

const least = 2000; // ms that must be missing before it is said
const near = 500; // ms: as late as that is on time
const settles = 1000; // ms: late blocks are there by then
const follows = 0.001; // of the difference, with each block: two clocks never go alike

export class Flow {
  #began: number | undefined;
  #frames = 0;
  #late = 0; // ms by which blocks are late as a rule
  #since: number | undefined;

  constructor(readonly rate: number) {}

  /** heard takes a block at a time in ms, and returns by how many ms sound is missing before it, as soon as that is certain; 0 where none is. */
  heard(frames: number, now: number): number {
    this.#began ??= now;
    const late = now - this.#began - (this.#frames * 1000) / this.rate;
    this.#frames += frames;
    if (late < this.#late + near) {
      this.#since = undefined;
      this.#late = late < this.#late ? late : this.#late + (late - this.#late) * follows;
      return 0;
    }
    if (late < this.#late + least) return 0;
    this.#since ??= now;
    if (now - this.#since < settles) return 0;
    const missing = late - this.#late;
    this.#late = late;
    this.#since = undefined;
    return missing;
  }
}
