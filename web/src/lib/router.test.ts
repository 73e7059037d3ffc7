import { expect, it, vi } from "vitest";

it("shows an address whose parts are no text", async () => {
  vi.stubGlobal("location", new URL("http://scout/library/%FF%20x"));
  const { router } = await import("./router.svelte");
  expect(router.parts).toEqual(["library", "%FF%20x"]);
  vi.unstubAllGlobals();
});
