/**
 * Time as X.509 writes it (RFC 5280, 4.1.2.5): UTCTime `YYMMDDHHMMSSZ` and GeneralizedTime
 * `YYYYMMDDHHMMSSZ`, in no other form.
 */
import { type DerReader, DerTag } from '../util/der.ts';
import { CertificateError } from './reason.ts';

/** An instant, and whether it was written as RFC 5280 wants it: UTCTime through 2049, GeneralizedTime after. */
export interface Asn1Time {
  /** Milliseconds since 1970-01-01T00:00:00Z, a whole number of seconds. */
  readonly ms: number;
  readonly canonical: boolean;
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar, years 0 to 9999. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146097 + dayOfEra - 719468;
}

/** Reads a Time. @throws {CertificateError} `malformed-certificate`. */
export function readTime(reader: DerReader): Asn1Time {
  const tag = reader.peekTag();
  if (tag !== DerTag.utcTime && tag !== DerTag.generalizedTime) {
    throw new CertificateError('malformed-certificate', 'a time of an unknown type', reader.at);
  }
  const at = reader.at;
  const text = reader.readContents(tag);
  const bad = (): never => {
    throw new CertificateError('malformed-certificate', 'a malformed time', at);
  };
  const utc = tag === DerTag.utcTime;
  const digits = utc ? 12 : 14;
  if (text.length !== digits + 1 || text[digits] !== 0x5a) bad();
  const pair = (index: number): number => {
    const tens = (text[index] as number) - 0x30;
    const ones = (text[index + 1] as number) - 0x30;
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9) bad();
    return tens * 10 + ones;
  };
  let year: number;
  let i: number;
  if (utc) {
    year = pair(0);
    year += year >= 50 ? 1900 : 2000;
    i = 2;
  } else {
    year = pair(0) * 100 + pair(2);
    i = 4;
  }
  const month = pair(i);
  const day = pair(i + 2);
  const hour = pair(i + 4);
  const minute = pair(i + 6);
  const second = pair(i + 8);
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = (MONTH_DAYS[month - 1] ?? 0) + (leap ? 1 : 0);
  if (day < 1 || day > days || hour > 23 || minute > 59 || second > 59) bad();
  const ms = ((daysFromCivil(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000;
  return { ms, canonical: utc || year >= 2050 };
}

/** `2024-03-01T00:00:00Z`: how times are printed. Any finite number of milliseconds is taken. */
export function timeText(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString().replace('.000Z', 'Z') : `${ms} ms`;
}
