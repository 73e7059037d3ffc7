// Times as people say them. Exact ones go into the title of the element.
import { createSubscriber } from "svelte/reactivity";
import { present } from "./present";

const language = () => document.documentElement.lang || "en";

const every = 15_000; // ms: what is shown as "now" is no longer so

// What is shown with a time is shown anew as the time goes by.
const passes = createSubscriber((update) => {
  const timer = setInterval(update, every);
  return () => clearInterval(timer);
});
const days = createSubscriber((update) => {
  let before = new Date(present()).toDateString();
  const timer = setInterval(() => {
    const now = new Date(present()).toDateString();
    if (now !== before) update();
    before = now;
  }, every);
  return () => clearInterval(timer);
});

/** today is the present time, for names of days: what shows them is shown anew when another day begins. */
export function today(): number {
  days();
  return present();
}

// passing is the present time, for what changes with it.
function passing(): number {
  passes();
  return present();
}

/** clock is a length for people: 0:42, 1:02:03. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const tail = String(s % 60).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
];

/** ago is how long ago something was: "2 min. ago". Beyond a week it is the day. now is the present time in ms. */
export function ago(at: string | number | Date, now = passing()): string {
  const then = new Date(at).getTime();
  let count = Math.max(0, (now - then) / 1000);
  if (count < 10) return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(0, "second");
  for (const [unit, many] of steps) {
    if (count < many) return new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" }).format(-Math.floor(count), unit);
    count /= many;
  }
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium" }).format(then);
}

/** until is in how long something will be: "in 5 min.". What should have been by now is "now". */
export function until(at: string | number | Date, now = passing()): string {
  let count = Math.max(0, (new Date(at).getTime() - now) / 1000);
  if (count < 1) return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(0, "second");
  for (const [unit, many] of steps) {
    if (count < many) return new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" }).format(Math.ceil(count), unit);
    count /= many;
  }
  return exact(at);
}

/** lasting is how long something lasts that Go writes as 168h0m0s, as people say it: 7 days. */
export function lasting(text: string): string {
  const part = (unit: string) => Number(new RegExp(`([\\d.]+)${unit}(?![a-z])`).exec(text)?.[1] ?? 0);
  const seconds = part("h") * 3600 + part("m") * 60 + part("s");
  const [unit, size] = seconds >= 172_800 && seconds % 86_400 === 0 ? (["day", 86_400] as const) : seconds >= 3600 ? (["hour", 3600] as const) : seconds >= 60 ? (["minute", 60] as const) : (["second", 1] as const);
  return new Intl.NumberFormat(language(), { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 1 }).format(seconds / size);
}

/** exact is a time with its day, for the title of an element. */
export const exact = (at: string | number | Date): string => new Intl.DateTimeFormat(language(), { dateStyle: "full", timeStyle: "medium" }).format(new Date(at));

/** day is the heading of a day in a list: Today, Yesterday, Thursday, 26 November. */
export function day(at: string | number | Date, now = today()): string {
  const midnight = (t: number) => new Date(t).setHours(0, 0, 0, 0);
  const then = new Date(at).getTime();
  const days = Math.round((midnight(now) - midnight(then)) / 86_400_000);
  if (days >= 0 && days < 2) {
    const said = new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(-days, "day");
    return said.charAt(0).toLocaleUpperCase(language()) + said.slice(1);
  }
  if (days > 1 && days < 7) return new Intl.DateTimeFormat(language(), { weekday: "long" }).format(then);
  const year = new Date(then).getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language(), { day: "numeric", month: "long", year }).format(then);
}
