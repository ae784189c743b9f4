/** `KERNEL=conv2d:naive,matmul:gpu_tile`: variants that are forced wherever they are supported. */
import { allOps } from '../tensor/op.ts';
import { wrongVariant } from '../tensor/tuning/choose.ts';
import { UsageError } from './usage_error.ts';

/** @throws UsageError, one sentence: no such op or variant, an op named twice, or text that is not of this form */
export function forcedVariants(kernel = process.env.KERNEL): Record<string, string> {
  const variants: Record<string, string> = {};
  for (const part of kernel ? kernel.split(',').map((word) => word.trim()) : []) {
    const [name, variant, ...more] = part.split(':');
    if (!name || !variant || more.length > 0) {
      throw new UsageError(`KERNEL must be like conv2d:naive,matmul:gpu_tile, not "${kernel}"`);
    }
    const op = allOps().get(name);
    if (!op) {
      throw new UsageError(
        `KERNEL names op "${name}", which does not exist; the ops are ${[...allOps().keys()].join(', ')}`,
      );
    }
    const wrong = wrongVariant(op, variant);
    if (wrong !== null) {
      throw new UsageError(`KERNEL: ${wrong}`);
    }
    if (Object.hasOwn(variants, name)) {
      throw new UsageError(`KERNEL names ${name} twice, as ${variants[name]} and ${variant}`);
    }
    variants[name] = variant;
  }
  return variants;
}
