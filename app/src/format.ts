/** Numbers and dates as people of the host's locale write them. */
import { locale, timeZone } from './host';

function written(value: number, options?: Intl.NumberFormatOptions): string {
  return new Intl.NumberFormat(locale.value, options).format(value);
}

export function money(usd: string): string {
  const value = Number(usd);
  const digits = value > 0 && value < 0.1 ? 3 : 2;
  const options = { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol' } as const;
  return written(value, { ...options, minimumFractionDigits: 2, maximumFractionDigits: digits });
}

export function date(iso: string): string {
  const options: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'short', timeZone: timeZone.value };
  return new Intl.DateTimeFormat(locale.value, options).format(new Date(iso));
}

export function number(value: number): string {
  return written(value);
}

export function percent(share: number): string {
  return written(share, { style: 'percent', maximumFractionDigits: share && share < 0.1 ? 1 : 0 });
}

export function size(bytes: number): string {
  const [value, unit] = bytes < 1_000_000 ? [bytes / 1000, 'kilobyte'] : [bytes / 1_000_000, 'megabyte'];
  return written(value, { style: 'unit', unit, maximumFractionDigits: value < 10 ? 1 : 0 });
}

export function seconds(value: number): string {
  return written(value, { style: 'unit', unit: 'second', maximumFractionDigits: 0 });
}

export function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
