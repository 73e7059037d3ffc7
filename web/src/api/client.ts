// Requests to the daemon, typed against its OpenAPI document: npm run types makes schema.d.ts of docs/formats/openapi.json.
import createClient from "openapi-fetch";
import { compare } from "../lib/present";
import { sentences } from "../lib/sentences";
import type { components, paths } from "./schema";

export type Schema = components["schemas"];

/** root is the address of the page without the / at its end; every path of the daemon follows it, below any base path. */
export const root = (globalThis.document?.baseURI ?? "http://scout/").replace(/\/$/, "");

/** address is that of something of the daemon that an element or a link names, for example an audio file. */
export const address = (path: string): string => root + path;

/** client sends one request: await ask(client.GET("/api/v1/recordings/{id}", { params: { path: { id } } })). */
export const client = createClient<paths>({ baseUrl: root, fetch: patient });

const attempts = 3; // of a question that Scout is too busy for
const longest = 10_000; // ms that one waits at most, whatever Scout says

/** patient asks again, as Scout says when, where it has no time for a question at the moment. What changes something is told at once: the person decides. */
export async function patient(request: Request): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const asked = Date.now();
    const answer = await fetch(request);
    compare(answer.headers.get("Date"), asked, Date.now());
    const after = Number(answer.headers.get("Retry-After-Ms") ?? NaN);
    if (request.method !== "GET" || (answer.status !== 429 && answer.status !== 503) || Number.isNaN(after) || after > longest || attempt === attempts) return answer;
    await new Promise((go) => setTimeout(go, after));
    request.signal.throwIfAborted();
  }
}

/** Problem is why a request failed. code is one of docs/RUNBOOK.md; offline where no answer came. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint = "",
    readonly status = 0,
    readonly retryable = false,
    /** details say which fields of what was sent are wrong, by their place: body.url. */
    readonly details: Schema["Detail"][] = [],
  ) {
    super(message);
    this.name = "Problem";
  }
}

const refusals = new Set<(problem: Problem) => void>();

/** onRefused calls back when the daemon does not know this page any more, for example because it was restarted. It returns how to stop. */
export function onRefused(call: (problem: Problem) => void): () => void {
  refusals.add(call);
  return () => refusals.delete(call);
}

/** problemOf reads the one form in which the daemon tells errors. */
export function problemOf(status: number, body: unknown): Problem {
  const error = (body as { error?: Partial<Schema["Error"]> } | undefined)?.error;
  const problem = new Problem(error?.code ?? "internal", error?.message ?? `the daemon answered ${status}`, error?.hint ?? "", status, error?.retryable ?? status >= 500, error?.details);
  if (status === 401 || (status === 403 && problem.code === "permission_denied")) for (const call of refusals) call(problem);
  return problem;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** ask waits for an answer and returns its body. It throws a Problem. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (e) {
    if (e instanceof DOMException && e.name === "AbortError") throw e;
    throw new Problem("offline", "the daemon does not answer", "", 0, true);
  }
  if (!answer.response.ok) throw problemOf(answer.response.status, answer.error);
  return answer.data as T;
}

/** transcript is a text with its segments; the current version where none is named. */
export async function transcript(id: string, version?: number): Promise<Schema["Transcript"]> {
  return (await ask(client.GET("/api/v1/transcripts/{id}", { params: { path: { id }, query: { version } } }))) as Schema["Transcript"]; // the other forms are asked for
}

/** says is what a person is told of an error: what happened, and what helps. */
export const says = (e: unknown): string => (e instanceof Problem ? sentences(e.message, e.hint) : String(e));

/** unread is why something could not be read; empty where the daemon is away, which the page says by itself. */
export const unread = (e: unknown): string => (e instanceof Problem && e.code === "offline" ? "" : says(e));
