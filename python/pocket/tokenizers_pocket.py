"""Makes the two tokenizers that all pocket networks share: a CLIP-style byte-level BPE and a BERT WordPiece.

Every word of the caption grammar is one token; any other English text still tokenizes (bytes, or [UNK]/characters).

    python tokenizers_pocket.py DIR     # writes DIR/tokenizer_clip/ and DIR/tokenizer_bert/
"""
import collections
import json
import os
import string
import sys
from scenes import WORDS

CLIP_LENGTH, BERT_LENGTH = 16, 20


def bytes_to_unicode():
    """The printable stand-ins for bytes that GPT-2's and CLIP's vocabularies use, in their order."""
    bs = [*range(ord('!'), ord('~') + 1), *range(ord('¡'), ord('¬') + 1), *range(ord('®'), ord('ÿ') + 1)]
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + n)
            n += 1
    return [chr(c) for c in cs]


def train_bpe(words):
    """Byte-pair merges in training order, until every word is a single token."""
    seqs = {w: (*w[:-1], w[-1] + '</w>') for w in words}
    merges = []
    while True:
        pairs = collections.Counter(p for s in seqs.values() for p in zip(s, s[1:]))
        if not pairs:
            return merges
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        for w, s in seqs.items():
            out, i = [], 0
            while i < len(s):
                if s[i:i + 2] == best:
                    out.append(s[i] + s[i + 1])
                    i += 2
                else:
                    out.append(s[i])
                    i += 1
            seqs[w] = tuple(out)


def clip(path):
    from transformers import CLIPTokenizerFast
    chars = bytes_to_unicode()
    merges = train_bpe(sorted(WORDS))
    tokens = [*chars, *(c + '</w>' for c in chars), *(a + b for a, b in merges), '<|startoftext|>', '<|endoftext|>']
    vocab = {t: i for i, t in enumerate(tokens)}
    assert len(vocab) == len(tokens)
    tok = CLIPTokenizerFast(vocab=vocab, merges=merges, model_max_length=CLIP_LENGTH)
    tok.save_pretrained(path)
    with open(os.path.join(path, 'vocab.json'), 'w') as f:
        json.dump(vocab, f, ensure_ascii=False, separators=(',', ':'))
    with open(os.path.join(path, 'merges.txt'), 'w') as f:
        f.write('#version: 0.2\n' + ''.join(f'{a} {b}\n' for a, b in merges))
    for w in WORDS:
        assert tok(w)['input_ids'] == [vocab['<|startoftext|>'], vocab[w + '</w>'], vocab['<|endoftext|>']], w
    return tok


def bert(path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, decoders
    from transformers import PreTrainedTokenizerFast
    chars = string.ascii_lowercase + string.digits
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    tokens = list(dict.fromkeys([*special, *string.punctuation, *chars, *('##' + c for c in chars), *WORDS, '[DEC]', '[ENC]']))
    vocab = {t: i for i, t in enumerate(tokens)}
    t = Tokenizer(models.WordPiece(vocab=vocab, unk_token='[UNK]', continuing_subword_prefix='##'))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(single='[CLS] $A [SEP]', pair='[CLS] $A [SEP] $B:1 [SEP]:1',
                                                     special_tokens=[('[CLS]', vocab['[CLS]']), ('[SEP]', vocab['[SEP]'])])
    t.decoder = decoders.WordPiece(prefix='##')
    t.add_special_tokens([*special, '[DEC]', '[ENC]'])
    tok = PreTrainedTokenizerFast(tokenizer_object=t, model_max_length=BERT_LENGTH, pad_token='[PAD]', unk_token='[UNK]', cls_token='[CLS]',
                                  sep_token='[SEP]', mask_token='[MASK]', bos_token='[DEC]', additional_special_tokens=['[ENC]'])
    tok.save_pretrained(path)
    with open(os.path.join(path, 'vocab.txt'), 'w') as f:
        f.write('\n'.join(tokens) + '\n')
    for w in WORDS:
        assert tok(w)['input_ids'] == [vocab['[CLS]'], vocab[w], vocab['[SEP]']], w
    return tok


if __name__ == '__main__':
    for make, name in ((clip, 'tokenizer_clip'), (bert, 'tokenizer_bert')):
        path = os.path.join(sys.argv[1], name)
        tok = make(path)
        for text in ('a photo of a red cat and an orange butterfly', 'A Photo of four bananas, please! 3 zebras'):
            ids = tok(text)['input_ids']
            print(name, len(tok), len(ids), ids, tok.convert_ids_to_tokens(ids))
        print(os.listdir(path))
