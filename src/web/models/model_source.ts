/** The place that a model comes from, as the page sends it to the engine. */
import type { NeededFile } from '../../platform/browser/hub_files.ts';

/** A published model, a repository, or a folder that somebody chose. */
export type ModelSource =
  /** The models that come with the page. `list`: the address of the list of packs. */
  | { readonly kind: 'pocket'; readonly list: string }
  /** Files by their paths in the folder. */
  | {
      readonly kind: 'folder';
      readonly name: string;
      readonly files: readonly (readonly [string, File])[];
      readonly published: string;
      readonly rewards: readonly string[];
    }
  /** A published model by its name, or `owner/name` of Hugging Face. `published`: the address of the list of published models. */
  | { readonly kind: 'hub'; readonly name: string; readonly published: string; readonly rewards: readonly string[] };

/** How to run it: what a smaller GPU needs. */
export interface ModelChoices {
  /** Most bytes of GPU memory; null: as many as a fast run takes. */
  readonly budget: number | null;
  /** Whether large weights are kept in 8 bits. */
  readonly eightBits: boolean;
}

/** The needs of a run, known before anything is allocated or downloaded. */
export interface ModelPlan {
  readonly name: string;
  readonly size: { readonly height: number; readonly width: number };
  readonly rewards: readonly string[];
  readonly dtype: string;
  /** Bytes of GPU memory at most. */
  readonly peak: number;
  /** Bytes of weights that each iteration brings in again. */
  readonly broughtIn: number;
  /** Floating-point operations of an iteration. */
  readonly flops: number;
  readonly dispatches: number;
  /** Files to download, those that are here among them; empty for a folder. */
  readonly files: readonly NeededFile[];
  /** Why this adapter cannot run it, one sentence; null where it can. */
  readonly problem: string | null;
}

/** The list of published models, as tools/lib/page.mjs makes it of weights/manifest.json. */
export interface PublishedList {
  readonly models: readonly { readonly name: string; readonly parts: readonly PublishedPart[] }[];
  readonly rewards: readonly PublishedPart[];
  /** Repositories by the names of their checkpoints. */
  readonly repos: Readonly<Record<string, string>>;
  /** The package's own files by their paths. */
  readonly packaged: Readonly<Record<string, string>>;
}

type PublishedPart = { readonly at: string } & (
  | { readonly checkpoint: string; readonly from?: string }
  | { readonly package: string }
);
