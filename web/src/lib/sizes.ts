// Sizes as people say them.

const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** size is a number of bytes: 29 MB, 1.2 GB. */
export function size(bytes: number): string {
  let of = 0;
  while (bytes >= 999.5 && of < units.length - 1) {
    bytes /= 1000;
    of++;
  }
  const digits = bytes < 10 && of > 2 ? 1 : 0;
  return new Intl.NumberFormat(document.documentElement.lang || "en", { style: "unit", unit: units[of], unitDisplay: "short", maximumFractionDigits: digits }).format(bytes);
}

/** milliseconds is a short time: 42 ms, 1.3 s. */
export const milliseconds = (ms: number): string => {
  const long = ms >= 1000;
  return new Intl.NumberFormat(document.documentElement.lang || "en", { style: "unit", unit: long ? "second" : "millisecond", unitDisplay: "short", maximumFractionDigits: long ? 1 : 0 }).format(long ? ms / 1000 : ms);
};
