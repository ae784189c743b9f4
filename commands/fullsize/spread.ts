/**
 * How large a seeded weight is, by what it does: activations and gradients stay of order one through the depth of a network,
 * attention neither averages everything nor picks one token, and a residual branch adds less than the trunk holds.
 */
export interface Spread {
  readonly mean: number;
  readonly std: number;
}

/** Weights are N(0, gain²/fan_in). The first pattern that matches decides; queries and keys make scores of deviation two. */
const GAINS: readonly (readonly [pattern: RegExp, gain: number])[] = [
  // T5 does not divide its scores by √d_head (64): the queries do.
  [/SelfAttention\.q\./, 1.4 / 8],
  [/SelfAttention\.k\./, 1.4],
  [/(self_attn|attn\d?|attention|crossattention|attentions\.0|self)\.(to_q|to_k|q_proj|k_proj|query|key)\./, 1.4],
  [/(attn\.qkv\.|attn\.in_proj_)/, 1.2],
  // The pixels of a decoder's latents: x0 of a random ε̂ is large (σ(z − ε̂) / scaling_factor), and a picture has few saturated pixels.
  [/^post_quant_conv\./, 0.02],
  [/^decoder\.conv_out\./, 0.35],
  // Ends of residual branches.
  [/(out_proj|attn\.proj|to_out\.0|SelfAttention\.o|attention\.output\.dense)\./, 0.5],
  [/(mlp\.fc2|mlp\.c_proj|ff\.net\.2|DenseReluDense\.wo|output\.dense|proj_out|conv2)\./, 0.4],
  [/(time_emb_proj|adaln_single\.linear)\./, 0.5],
];

/** Tables that are looked up or added, whose rows have no fan-in. */
const TABLES: readonly (readonly [pattern: RegExp, std: number])[] = [
  [/(token_embedding|shared)\.weight$/, 1],
  [/word_embeddings\.weight$/, 0.05],
  [/embeddings\.position_embeddings\.weight$/, 0.02],
  [/(position_embedding\.weight|positional_embedding|pos_embed)$/, 0.3],
  [/(class_embedding|cls_token)$/, 1],
  [/relative_attention_bias\.weight$/, 0.5],
  [/scale_shift_table$/, 0.1],
];

/** open_clip and HF CLIP multiply similarities by exp of this: 100. */
const LOGIT_SCALE = 4.6052;

/** `key` and shape as the checkpoint has them. */
export function spreadOf(key: string, shape: readonly number[]): Spread {
  if (key === 'logit_scale') {
    return { mean: LOGIT_SCALE, std: 0 };
  }
  const table = TABLES.find(([pattern]) => pattern.test(key));
  if (table) {
    return { mean: 0, std: table[1] };
  }
  if (shape.length === 1) {
    return /bias$/.test(key) ? { mean: 0, std: 0.02 } : { mean: 1, std: 0.1 };
  }
  const gain = GAINS.find(([pattern]) => pattern.test(key))?.[1] ?? 1;
  // open_clip's two projections are x @ P: their fan-in comes first.
  const fanIn = /^(visual\.proj|text_projection)$/.test(key)
    ? (shape[0] ?? 1)
    : shape.slice(1).reduce((n, d) => n * d, 1);
  return { mean: 0, std: gain / Math.sqrt(fanIn) };
}
