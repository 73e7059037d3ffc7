/** random is a name that nobody else has. crypto.randomUUID is there for https and this computer only. */
export const random = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
