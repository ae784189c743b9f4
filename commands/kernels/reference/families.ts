/** The families by which the reference groups ops, from the file that defines an op. */
const FAMILIES: readonly (readonly [title: string, files: RegExp])[] = [
  ['Matrix products', /\/(matmul\/|layer_norm_linear|linear_)/],
  ['Convolution', /\/conv2d\//],
  ['Attention', /\/attention\//],
  ['Norms', /\/(group_norm\/|layer_norm|rms_norm|l2_normalize)/],
  ['Sums and softmax', /\/(reduce\/|softmax)/],
  ['Elementwise', /\/(elementwise\/|geglu|rotary_embedding|half_region)/],
  ['Shapes, tables and images', /\/(reshape|transpose|slice_pad|concat|embedding|upsample_nearest|resize_bicubic)/],
];

export const FAMILY_TITLES = FAMILIES.map(([title]) => title);

/** @param file path of the source, such as src/kernels/softmax.ts @throws Error for a file that belongs to no family */
export function familyOf(file: string): string {
  const found = FAMILIES.find(([, files]) => files.test(file));
  if (!found) {
    throw new Error(`${file} belongs to no family of commands/kernels/reference/families.ts: enter it there`);
  }
  return found[0];
}
