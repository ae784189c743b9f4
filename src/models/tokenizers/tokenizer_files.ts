/** Reads a tokenizer's folder: tokenizer.json, or CLIP's older vocab.json and merges.txt, and the settings beside them. */
import { Config } from '../checkpoint/config.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import { parseJson } from '../checkpoint/json.ts';
import { ReadMeter, TOKENIZER_BUDGET } from '../checkpoint/read_budget.ts';
import { clipTokenizerJson } from './clip_tokenizer_json.ts';
import { olderAddedTokens, tokenText } from './special_tokens.ts';

const TOKENIZER = 'tokenizer.json';
const SETTINGS = 'tokenizer_config.json';
const SPECIAL_TOKENS = 'special_tokens_map.json';
const VOCAB = 'vocab.json';
const MERGES = 'merges.txt';
const ADDED_TOKENS = 'added_tokens.json';
const CLIP_CLASSES = ['CLIPTokenizer', 'CLIPTokenizerFast'];

type Settings = Readonly<Record<string, unknown>>;

interface TokenizerFiles {
  /** tokenizer.json, or its equivalent made from CLIP's older files. */
  readonly tokenizer: unknown;
  /** tokenizer_config.json, completed by special_tokens_map.json; empty where the folder has neither. */
  readonly settings: Settings;
}

/** @throws Error naming the file that is missing or broken. */
export async function readTokenizerFiles(files: ModelFiles): Promise<TokenizerFiles> {
  const settings = await readSettings(files);
  const whole = (await files.has(TOKENIZER)) || !(await files.has(VOCAB));
  return { tokenizer: whole ? await readJson(files, TOKENIZER) : await readClip(files, settings), settings };
}

/** Reads the settings. As in transformers, special_tokens_map.json counts only where tokenizer_config.json has no `added_tokens_decoder`. */
async function readSettings(files: ModelFiles): Promise<Settings> {
  const settings: Settings = (await files.has(SETTINGS)) ? Object(await readJson(files, SETTINGS)) : {};
  const older = !('added_tokens_decoder' in settings) && (await files.has(SPECIAL_TOKENS));
  return older ? { ...settings, ...Object(await readJson(files, SPECIAL_TOKENS)) } : settings;
}

async function readClip(files: ModelFiles, settings: Settings): Promise<object> {
  const kind = settings.tokenizer_class ?? CLIP_CLASSES[0];
  if (!CLIP_CLASSES.some((name) => name === kind)) {
    throw new Error(
      `${files.name}: there is no ${TOKENIZER}, and ${VOCAB} of a ${kind} cannot be read without it (only CLIPTokenizer's can)`,
    );
  }
  const vocab: Readonly<Record<string, number>> = Object(await readJson(files, VOCAB));
  const token = (key: string, absent: string): string => tokenText(settings[key]) ?? absent;
  const eos_token = token('eos_token', '<|endoftext|>');
  const tokens = {
    bos_token: token('bos_token', '<|startoftext|>'),
    eos_token,
    unk_token: token('unk_token', eos_token),
  };
  const merges = await readMerges(files);
  // As in transformers, added_tokens.json counts only where tokenizer_config.json has no `added_tokens_decoder`.
  const older = !('added_tokens_decoder' in settings) && (await files.has(ADDED_TOKENS));
  const added = older
    ? olderAddedTokens(new Config(`${files.name}/${ADDED_TOKENS}`, await readJson(files, ADDED_TOKENS)))
    : [];
  try {
    return clipTokenizerJson(vocab, merges, tokens, added);
  } catch (error) {
    throw new Error(`${files.name}/${VOCAB}: ${error instanceof Error ? error.message : error}`);
  }
}

async function readMerges(files: ModelFiles): Promise<string> {
  const merges = await files.readText(MERGES);
  const meter = new ReadMeter(TOKENIZER_BUDGET);
  try {
    meter.bytes(merges.length, 'its text');
    meter.objects(merges.split('\n').length);
  } catch (error) {
    throw new Error(`${files.name}/${MERGES}: ${error instanceof Error ? error.message : error}`);
  }
  return merges;
}

async function readJson(files: ModelFiles, path: string): Promise<unknown> {
  return parseJson(await files.readText(path), `${files.name}/${path}`, TOKENIZER_BUDGET);
}
