/** Opens tokenizers. Reading and checking them is a module of its own in bundles, loaded with the first tokenizer. */
import type { ModelFiles } from '../checkpoint/files.ts';
import type { TextTokenizer, TokenizerKind } from './tokenizers.ts';

/** Opens the tokenizer of a folder. @param kind the class that the reference reads it with @throws Error naming the file that is missing or broken */
export async function openTokenizer(files: ModelFiles, kind: TokenizerKind = 'fast'): Promise<TextTokenizer> {
  const { readTokenizerFiles } = await import('./tokenizer_files.ts');
  const { tokenizer, settings } = await readTokenizerFiles(files);
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const { cleaningOf, TextTokenizer } = await import('./tokenizers.ts');
  return new TextTokenizer(Tokenizer, files.name, tokenizer, settings, await cleaningOf(kind), files.warn);
}
