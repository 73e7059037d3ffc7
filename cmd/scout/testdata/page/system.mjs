// The place that shows how Scout is: health, models, settings.

import assert from "node:assert/strict";

export async function test(house) {
  const page = await house.page("/system");
  await page.getByRole("button", { name: "Check now" }).click();
  await page.getByText("Last checked").waitFor();
  await page.getByRole("button", { name: "Check now" }).waitFor();
  await house.accessible(page, "health");
  await page.getByRole("link", { name: "Models" }).click();
  await page.getByText("times as fast as speech").first().waitFor();
  await house.accessible(page, "models");
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Find a setting").fill("rate of recordings");
  const rate = page.getByLabel("rate", { exact: true });
  await rate.fill("48000");
  await rate.press("Tab");
  await page.getByText("Saved").waitFor();
  await rate.fill("7");
  await rate.press("Tab");
  await page.locator(".state.bad", { hasText: /\w/ }).waitFor();
  await house.accessible(page, "settings");
  assert.equal((await house.ask("/api/v1/settings")).values.record.rate, 48000);
  await page.getByRole("button", { name: "Back to the usual value" }).click();
  await page.getByText("Saved").waitFor();
  assert.notEqual((await house.ask("/api/v1/settings")).values.record.rate, 48000);
  await page.close();
}

export async function pictures(house) {
  for (const part of ["", "/models", "/settings"]) {
    const page = await house.page("/system" + part);
    await page.locator("li, .field").first().waitFor();
    await house.snap(page, "system" + part.replace("/", "-"));
    await page.close();
  }
}
