/** left is how long something will take, as people say it: "20 sec.", "3 min.". Nothing where it is not known. */
export function left(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds <= 0) return "";
  const [value, unit] = seconds < 60 ? [Math.max(1, Math.round(seconds / 5) * 5), "second"] : seconds < 5400 ? [Math.round(seconds / 60), "minute"] : [Math.round(seconds / 3600), "hour"];
  return new Intl.NumberFormat(document.documentElement.lang || "en", { style: "unit", unit: unit as string, unitDisplay: "short" }).format(value as number);
}
