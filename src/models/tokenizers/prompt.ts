/** How a prompt reaches a compiled plan. */

/** Values for graph inputs of stage `prompt`, by input name: token ids, masks. */
export type PromptValues = ReadonlyMap<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>;
