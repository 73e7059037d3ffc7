// Reading again what may have changed: answers may overtake each other on their way.
import { Problem } from "../api/client";

/**
 * reading returns what reads something again. take gets an answer unless that of a later question was there before: it is older, and would stay.
 * failed is told why nothing was read, where no later answer is there.
 */
export function reading<T>(ask: () => Promise<T>, take: (answer: T) => void, failed: (problem: Problem) => void = () => undefined): () => Promise<void> {
  let asked = 0;
  let taken = 0;
  return async () => {
    const mine = ++asked;
    try {
      const answer = await ask();
      if (mine < taken) return;
      taken = mine;
      take(answer);
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      if (mine > taken) failed(e);
    }
  };
}
