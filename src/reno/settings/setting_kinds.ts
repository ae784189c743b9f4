/** Kinds of settings: how reno.json and a flag spell a value, and what is refused. */
import type { Config } from '../../models/checkpoint/config.ts';

export interface Kind<T> {
  /** Reads the value of a key in reno.json. @throws Error naming file and key */
  read(config: Config, key: string): T;
  /** Reads the value of a flag. @throws RangeError: the rest of a sentence that begins with the flag's name */
  parse(text: string): T;
  /** The placeholder of a flag's value in help texts, such as `n`. */
  readonly hint?: string;
  /** All values, where they are few. */
  readonly options?: readonly string[];
}

/** A finite number from `low` to `high`. */
export function numberKind(low: number, high = Infinity): Kind<number> {
  return {
    read: (config, key) => config.number(key, undefined, [low, Math.min(high, Number.MAX_VALUE)]),
    parse: (text) => {
      const value = Number(text);
      if (text.trim() === '' || !Number.isFinite(value) || value < low || value > high) {
        const range = high === Infinity ? `of at least ${low}` : `from ${low} to ${high}`;
        throw new RangeError(`must be a number ${range}, not "${text}"`);
      }
      return value;
    },
    hint: 'number',
  };
}

/** A whole number from `low` to `high`. */
export function countKind(low: number, high = Number.MAX_SAFE_INTEGER): Kind<number> {
  const number = numberKind(low, high === Number.MAX_SAFE_INTEGER ? Infinity : high);
  return {
    read: (config, key) => config.whole(key, undefined, [low, high]),
    parse: (text) => {
      const value = number.parse(text);
      if (!Number.isSafeInteger(value)) {
        const most = high === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : high;
        throw new RangeError(`must be a whole number from ${low} to ${most}, not "${text}"`);
      }
      return value;
    },
    hint: 'n',
  };
}

/** True or false. */
export const booleanKind: Kind<boolean> = {
  read: (config, key) => config.boolean(key),
  parse: (text) => choose(['true', 'false'], text) === 'true',
};

/** One of a few words. */
export function choiceKind<const T extends string>(options: readonly T[]): Kind<T> {
  return {
    read: (config, key) => config.oneOf(key, options),
    parse: (text) => choose(options, text),
    options,
  };
}

function choose<T extends string>(options: readonly T[], text: string): T {
  const found = options.find((option) => option === text);
  if (found === undefined) {
    throw new RangeError(`must be one of ${options.join(', ')}, not "${text}"`);
  }
  return found;
}

/** Names in the order of the alphabet, each once; a flag gives them with commas between. */
export const namesKind: Kind<readonly string[]> = {
  read: (config, key) => ordered(config.strings(key)),
  parse: (text) => {
    const names = ordered(text.split(',').map((name) => name.trim()));
    if (names.some((name) => name === '')) {
      throw new RangeError(`must be names with commas between, not "${text}"`);
    }
    return names;
  },
  hint: 'names',
};

function ordered(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

/** The longest side of a picture: at four times the largest size that a public model was trained at, a step needs terabytes. */
const MOST_PIXELS = 8192;

/** [height, width] of a picture in pixels; a flag gives `512` or `768x512`, width first. */
export const pixelsKind: Kind<readonly [height: number, width: number]> = {
  read: (config, key) => {
    const [height, width, ...more] = config.counts(key, undefined, MOST_PIXELS);
    return height !== undefined && width !== undefined && more.length === 0
      ? [height, width]
      : config.fail(key, 'must be [height, width]');
  },
  parse: (text) => {
    const [, width = '', height = width] = /^([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?$/.exec(text) ?? [];
    if (width === '' || Math.max(Number(width), Number(height)) > MOST_PIXELS) {
      const range = `from 1 to ${MOST_PIXELS} a side`;
      throw new RangeError(`must be pixels, such as 512 or 768x512 (width x height), ${range}, not "${text}"`);
    }
    return [Number(height), Number(width)];
  },
  hint: 'n',
};

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** A number of bytes; a flag gives it with its unit, such as `8GiB` or `900MB`. */
export const bytesKind: Kind<number> = {
  read: (config, key) => config.count(key, undefined, Number.MAX_SAFE_INTEGER),
  parse: (text) => {
    const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]?i?b)$/i.exec(text.trim()) ?? [];
    const bytes = Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? 0));
    if (bytes === 0) {
      throw new RangeError(`must be a size with its unit, such as 8GiB or 900MB, not "${text}"`);
    }
    return bytes;
  },
  hint: 'size',
};

/** The number 8: the only width of weights besides the one in the file. */
export const eightBitsKind: Kind<8> = {
  read: (config, key) => {
    const bits = config.count(key);
    return bits === 8 ? bits : config.fail(key, 'must be 8, or absent for weights as they are stored');
  },
  parse: (text) => {
    choose(['8'], text);
    return 8;
  },
  options: ['8'],
};

const batchCount = countKind(1, 64);

/** A number of pictures that are made at once, or `auto`: chosen by what the memory holds. */
export const batchKind: Kind<number | 'auto'> = {
  read: (config, key) => (config.value(key) === 'auto' ? 'auto' : batchCount.read(config, key)),
  parse: (text) => (text === 'auto' ? 'auto' : batchCount.parse(text)),
  hint: 'n',
};
