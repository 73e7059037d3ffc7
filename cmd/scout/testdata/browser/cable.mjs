import { connect, createServer } from "node:net";
import { Transform } from "node:stream";

// cable is a way to the daemon that can be cut: an emulated break of the network leaves streams alone that are open.
export async function cable(server) {
  const ends = new Set();
  let cut = false, wait = 0;
  const both = (one, other, by) => {
    if (by) one.pipe(by).pipe(other);
    else one.pipe(other);
    one.on("error", () => other.destroy()).on("close", () => (ends.delete(one), other.destroy()));
    ends.add(one);
  };
  const listener = createServer((near) => {
    if (cut) return near.destroy();
    const far = connect(new URL(server).port, "127.0.0.1");
    both(near, far, new Transform({ transform: (chunk, _, done) => (wait ? setTimeout(done, wait, null, chunk) : done(null, chunk)) }));
    both(far, near);
  });
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  return {
    url: "http://127.0.0.1:" + listener.address().port,
    cut: () => ((cut = true), ends.forEach((end) => end.destroy())),
    mend: () => (cut = false),
    // slow lets each part of what is sent to the daemon wait for so many ms.
    slow: (ms) => (wait = ms),
    close: () => (listener.close(), ends.forEach((end) => end.destroy())),
  };
}
