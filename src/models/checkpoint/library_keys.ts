/** Keys that the libraries write into every config, and that change nothing which is computed here. */
import { type Config, type InertKeys, inertKeys } from './config.ts';

/** Notes of diffusers' `ConfigMixin`: the version that wrote the file, where it came from, and arguments left at their defaults. */
const DIFFUSERS_NOTES = ['_class_name', '_diffusers_version', '_name_or_path', '_use_default_values', '_commit_hash'];

/** Notes of transformers' `PretrainedConfig`: names, versions, and how tensors are returned, stored and attended to. */
const TRANSFORMERS_NOTES = [
  '_attn_implementation',
  '_attn_implementation_autoset',
  '_attn_implementation_internal',
  '_commit_hash',
  '_name_or_path',
  '_output_attentions',
  'architectures',
  'attn_implementation',
  'dtype',
  'gradient_checkpointing',
  'output_attentions',
  'output_hidden_states',
  'return_dict',
  'tokenizer_class',
  'torch_dtype',
  'torchscript',
  'transformers.js_config',
  'transformers_version',
  'use_bfloat16',
];

/** Keys of `PretrainedConfig` for training and classifiers: initial values, dropout, losses and labels. */
const TRAINING = [
  'attention_dropout',
  'attention_probs_dropout_prob',
  'classifier_dropout',
  'dropout',
  'dropout_rate',
  'finetuning_task',
  'hidden_dropout_prob',
  'id2label',
  'initializer_factor',
  'initializer_range',
  'label2id',
  'problem_type',
  'task_specific_params',
  'tf_legacy_loss',
];

/** Keys of `PretrainedConfig` for the generation of text, which no network here does; `chunk_size_feed_forward` only saves memory. */
const GENERATION = [
  'bad_words_ids',
  'begin_suppress_tokens',
  'bos_token_id',
  'chunk_size_feed_forward',
  'cross_attention_hidden_size',
  'decoder_start_token_id',
  'diversity_penalty',
  'do_sample',
  'early_stopping',
  'encoder_no_repeat_ngram_size',
  'eos_token_id',
  'exponential_decay_length_penalty',
  'forced_bos_token_id',
  'forced_eos_token_id',
  'is_decoder',
  'is_encoder_decoder',
  'length_penalty',
  'max_length',
  'min_length',
  'no_repeat_ngram_size',
  'num_beam_groups',
  'num_beams',
  'num_return_sequences',
  'output_scores',
  'pad_token_id',
  'prefix',
  'remove_invalid_values',
  'repetition_penalty',
  'return_dict_in_generate',
  'sep_token_id',
  'suppress_tokens',
  'temperature',
  'tie_encoder_decoder',
  'tie_word_embeddings',
  'top_k',
  'top_p',
  'typical_p',
  'use_cache',
];

/** Inert keys of every config of diffusers. */
export const DIFFUSERS_KEYS: InertKeys = inertKeys(DIFFUSERS_NOTES);

/** Inert keys of every config of transformers. */
export const TRANSFORMERS_KEYS: InertKeys = inertKeys(TRANSFORMERS_NOTES, TRAINING, GENERATION);

/**
 * Checks that a config of transformers has one of these `model_type`s, where it names one, and that its weights are plain numbers.
 * @throws Error naming file and key
 */
export function assertTransformers(config: Config, modelTypes: readonly string[]): void {
  const type = config.value('model_type');
  if (type !== undefined && !modelTypes.some((one) => one === type)) {
    config.fail('model_type', `is ${JSON.stringify(type)}, but only ${modelTypes.join(' or ')} can be read here`);
  }
  assertNotQuantized(config);
  const pruned = config.value('pruned_heads');
  if (pruned !== undefined && Object.keys(Object(pruned)).length > 0) {
    config.fail('pruned_heads', 'names heads that were removed, which is not supported');
  }
}

/** @throws Error where the weights are stored in a quantized form */
export function assertNotQuantized(config: Config): void {
  if (config.has('quantization_config')) {
    const method = Object(config.value('quantization_config')).quant_method;
    const named = typeof method === 'string' ? ` (${JSON.stringify(method)})` : '';
    config.fail(
      'quantization_config',
      `says that the weights are quantized${named}, which is not supported; take the checkpoint in f32, f16 or bf16`,
    );
  }
}
