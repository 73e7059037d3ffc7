// What a page does in its main thread, from Chromium's trace: how long each task took by the clock and of the processor. On a busy machine a task waits for a
// processor in its middle, so the two differ, and the processor's time is what the page can be blamed for.

export const percentile = (all, p) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * p))];

// calibrated is how long the same work takes in this page, in ms: the quickest of several, so that waiting for a processor counts little. Figures of
// two machines, or of a machine at two times, compare as multiples of it.
export const calibrated = (page) => page.evaluate(() => {
  const work = () => {
    const began = performance.now();
    const made = [];
    let x = 1;
    for (let i = 0; i < 4_000_000; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) | 0;
      if ((i & 63) === 0) made.push({ x, text: `n${x}` });
    }
    return made.length > 0 ? performance.now() - began : 0;
  };
  return Math.min(...Array.from({ length: 7 }, work));
});

const categories = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "blink.user_timing", "v8"];

// traced runs work and returns its result with the tasks of the page meanwhile: ms by the clock, cpu in ms, and what was in them.
export async function traced(browser, page, work) {
  await browser.startTracing(page, { categories });
  const result = await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const mains = new Set(traceEvents.filter((e) => e.name === "thread_name" && e.args?.name === "CrRendererMain").map((e) => `${e.pid} ${e.tid}`));
  const threads = new Map([...mains].map((name) => [name, []]));
  for (const e of traceEvents) if (e.ph === "X") threads.get(`${e.pid} ${e.tid}`)?.push(e);
  const isTask = (e) => /RunTask$/.test(e.name);
  const busy = (all) => all.filter(isTask).reduce((sum, e) => sum + (e.tdur ?? 0), 0);
  const [, events] = [...threads].sort(([, a], [, b]) => busy(b) - busy(a))[0] ?? [0, []];
  events.sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const tasks = [];
  for (const e of events) {
    const last = tasks.at(-1);
    if (last && e.ts < last.end) {
      if (!isTask(e)) last.parts.set(e.name, (last.parts.get(e.name) ?? 0) + (e.tdur ?? 0) / 1000);
    } else if (isTask(e)) tasks.push({ ms: e.dur / 1000, cpu: (e.tdur ?? e.dur) / 1000, end: e.ts + e.dur, parts: new Map() });
  }
  const most = (by) => tasks.reduce((a, b) => (b[by] > a[by] ? b : a), { ms: 0, cpu: 0, parts: new Map() });
  return { result, tasks, longest: most("ms"), heaviest: most("cpu"), cpu: tasks.reduce((sum, t) => sum + t.cpu, 0) };
}

// told is what a task did, the most first.
export const told = (task) => [...task.parts].sort((a, b) => b[1] - a[1]).filter(([, ms]) => ms >= 1).slice(0, 7).map(([name, ms]) => `${name} ${ms.toFixed(0)}`).join(", ");
