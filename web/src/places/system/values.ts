interface Kind {
  type?: string;
  anyOf?: { type: string; enum?: string[] }[];
}

/** valueOf is what a typed text means for a setting: null is the usual value, and undefined is returned where a number is wanted and none was typed. */
export function valueOf({ type, anyOf }: Kind, text: string): string | number | null | undefined {
  if (type === "string") return text;
  const said = text.trim();
  if (said === "") return null;
  const word = anyOf?.flatMap((one) => one.enum ?? []).find((one) => one.toLowerCase() === said.toLowerCase());
  if (word !== undefined) return word;
  return /^-?\d+$/.test(said) && Number.isSafeInteger(Number(said)) ? Number(said) : undefined;
}
