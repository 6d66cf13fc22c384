// How values are shown.

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const ABSOLUTE = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const COUNT = new Intl.NumberFormat("en");
const COIN = 100_000_000;
const UNITS = [["year", 31_556_952], ["day", 86_400], ["hour", 3600], ["minute", 60]];

export const count = (number) => COUNT.format(number);

/** Satoshis in bitcoins, with two digits after the point or as many as it takes. */
export function btc(satoshis, { sign = false } = {}) {
  const size = Math.abs(satoshis);
  const whole = COUNT.format(Math.floor(size / COIN));
  const rest = String(size % COIN).padStart(8, "0").replace(/0{1,6}$/, "");
  const mark = satoshis < 0 ? "−" : sign && satoshis > 0 ? "+" : "";
  return `${mark}${whole}.${rest}`;
}

/** The middle of a long name is left out. */
export const short = (text, kept = 8) =>
  text.length <= 2 * kept + 1 ? text : `${text.slice(0, kept)}…${text.slice(-kept)}`;

export const exactly = (time) => ABSOLUTE.format(new Date(time));

export function ago(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

export const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
