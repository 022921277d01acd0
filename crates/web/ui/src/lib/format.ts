// Numbers, units and times as people of each language write them. Units are SI symbols, but for seconds and what is longer.

export type Language = 'en' | 'zh-CN';

const MISSING = '–';

const LONG_UNITS: Record<Language, { day: string; hour: string; minute: string; second: string }> = {
  en: { day: 'd', hour: 'h', minute: 'min', second: 's' },
  'zh-CN': { day: '天', hour: '小时', minute: '分钟', second: '秒' },
};

const SHORT_CLOCK: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
const CLOCK: Intl.DateTimeFormatOptions = { ...SHORT_CLOCK, second: '2-digit' };
const MOMENT: Intl.DateTimeFormatOptions = { ...CLOCK, month: '2-digit', day: '2-digit' };
const TIMESTAMP: Intl.DateTimeFormatOptions = {
  ...CLOCK, year: 'numeric', month: '2-digit', day: '2-digit', fractionalSecondDigits: 3, timeZoneName: 'short',
};

export interface Quantity {
  value: string;
  unit: string;
}

export class Format {
  readonly language: Language;
  readonly #zone: string | undefined;
  readonly #numbers = new Map<string, Intl.NumberFormat>();
  readonly #times = new Map<Intl.DateTimeFormatOptions, Intl.DateTimeFormat>();

  /** `zone`: an IANA time zone; the browser's when left out. */
  constructor(language: Language, zone?: string) {
    this.language = language;
    this.#zone = zone;
  }

  /** A count in full up to a million, then compact. */
  count(value: number | null): string {
    if (value === null) return MISSING;
    if (Math.abs(value) < 1_000_000) return this.#number(value, { maximumFractionDigits: 0 });
    return this.#number(value, { notation: 'compact', maximumSignificantDigits: 4 });
  }

  /** The name of a country or territory by its code. */
  country(code: string): string {
    return new Intl.DisplayNames(this.language, { type: 'region', fallback: 'code' }).of(code) ?? code;
  }

  /** At most three digits: for axes. */
  compact(value: number): string {
    return this.#number(value, { notation: 'compact', maximumSignificantDigits: 3 });
  }

  /** A rate a second, without its unit. */
  rate(value: number | null): string {
    if (value === null) return MISSING;
    if (value !== 0 && value < 0.01) return `<${this.#number(0.01, {})}`;
    const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    if (value >= 1_000_000) return this.compact(value);
    return this.#number(value, { maximumFractionDigits: digits });
  }

  /** A number of which nothing is known, such as the value of an expression: four digits. */
  value(value: number): string {
    if (!Number.isFinite(value)) return String(value);
    const isPlain = value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e9);
    return this.#number(value, { maximumSignificantDigits: 4, notation: isPlain ? 'standard' : 'scientific' });
  }

  /** A share between 0 and 1, in per cent. Never rounds up to 100 % or down to 0 %. */
  percent(ratio: number | null): string {
    if (ratio === null) return MISSING;
    const percent = ratio * 100;
    if (percent > 0 && percent < 0.01) return `<${this.#number(0.01, {})} %`;
    const near = Math.min(percent, 100 - percent);
    const digits = near === 0 || (near >= 10 && percent < 90) ? 0 : near < 0.1 ? 2 : 1;
    const scale = 10 ** digits;
    const rounded = percent < 100 && Math.round(percent * scale) === 100 * scale
      ? Math.floor(percent * scale) / scale
      : percent;
    return `${this.#number(rounded, { minimumFractionDigits: digits, maximumFractionDigits: digits })} %`;
  }

  bytes(value: number | null): string {
    if (value === null) return MISSING;
    const { value: number, unit } = this.#scaled(value, ['B', 'kB', 'MB', 'GB', 'TB', 'PB'], 0);
    return `${number} ${unit}`;
  }

  /** A short time in its best unit, from µs to s. */
  latency(seconds: number | null): Quantity {
    if (seconds === null) return { value: MISSING, unit: '' };
    if (seconds > 0 && seconds < 0.001) return { value: this.#digits(seconds * 1e6), unit: 'µs' };
    if (seconds > 0 && seconds < 1) return { value: this.#digits(seconds * 1e3), unit: 'ms' };
    return { value: this.#digits(seconds), unit: LONG_UNITS[this.language].second };
  }

  latencyText(seconds: number | null): string {
    const { value, unit } = this.latency(seconds);
    return unit === '' ? value : `${value} ${unit}`;
  }

  /** A time whose fractions tell something, such as a silence of 60.03 s: to the millisecond at most. */
  precise(seconds: number): string {
    const rounded = Math.round(seconds * 1000) / 1000;
    if (rounded < 0.1 || rounded >= 1000) return this.duration(rounded);
    return `${this.#number(seconds, { minimumFractionDigits: 2, maximumFractionDigits: 2 })} ${LONG_UNITS[this.language].second}`;
  }

  /** A time that people count in minutes or days: its two greatest parts. Below two minutes in seconds, as time
   *  limits are set. */
  duration(seconds: number | null): string {
    if (seconds === null) return MISSING;
    if (seconds > 0 && seconds < 0.1) return this.latencyText(seconds);
    if (seconds > 0 && seconds < 10) {
      const tenths = Math.floor(seconds * 10) / 10;
      return `${this.#number(tenths, { minimumFractionDigits: 1 })} ${LONG_UNITS[this.language].second}`;
    }
    return this.wholeDuration(seconds);
  }

  /** The same in whole seconds. */
  wholeDuration(seconds: number): string {
    const { day, hour, minute, second } = LONG_UNITS[this.language];
    const whole = Math.floor(seconds);
    if (whole < 120) return `${whole} ${second}`;
    const parts: [number, string][] = [
      [Math.floor(whole / 86_400), day],
      [Math.floor(whole / 3600) % 24, hour],
      [Math.floor(whole / 60) % 60, minute],
      [whole % 60, second],
    ];
    const first = parts.findIndex(([amount]) => amount > 0);
    return parts.slice(first, first + 2).filter(([amount]) => amount > 0)
      .map(([amount, unit]) => `${amount} ${unit}`).join(' ');
  }

  /** Time of day in the browser's zone. */
  clock(at: Date, withSeconds = true): string {
    return this.#time(withSeconds ? CLOCK : SHORT_CLOCK).format(at);
  }

  /** Day and time of day in the browser's zone. */
  moment(at: Date): string {
    const parts = this.#time(MOMENT).formatToParts(at);
    const of = (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)?.value ?? '';
    return `${of('month')}-${of('day')} ${of('hour')}:${of('minute')}:${of('second')}`;
  }

  /** Date and time to the millisecond, with the zone, in the order that every language reads alike. */
  timestamp(at: Date): string {
    const parts = this.#time(TIMESTAMP).formatToParts(at);
    const of = (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)?.value ?? '';
    const time = `${of('hour')}:${of('minute')}:${of('second')}.${of('fractionalSecond')}`;
    return `${of('year')}-${of('month')}-${of('day')} ${time} ${of('timeZoneName')}`;
  }

  #time(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    let format = this.#times.get(options);
    if (format === undefined) {
      const zone = this.#zone === undefined ? {} : { timeZone: this.#zone };
      format = new Intl.DateTimeFormat('en-GB', { ...options, ...zone });
      this.#times.set(options, format);
    }
    return format;
  }

  #digits(value: number): string {
    return this.#number(value, { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
  }

  #scaled(value: number, units: [string, ...string[]], baseDigits: number): Quantity {
    let power = 0;
    let scaled = value;
    while (scaled >= 999.5 && power < units.length - 1) {
      scaled /= 1000;
      power += 1;
    }
    const digits = power === 0 ? baseDigits : scaled < 10 ? 2 : scaled < 100 ? 1 : 0;
    return { value: this.#number(scaled, { maximumFractionDigits: digits }), unit: units[power] ?? units[0] };
  }

  #number(value: number, options: Intl.NumberFormatOptions): string {
    const key = JSON.stringify(options);
    let format = this.#numbers.get(key);
    if (format === undefined) {
      format = new Intl.NumberFormat(this.language, options);
      this.#numbers.set(key, format);
    }
    return format.format(value);
  }
}
