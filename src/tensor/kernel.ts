/** WGSL of a dispatch: a typed header (constants, uniform, bindings with load and store functions) in front of the op's static text. */
import { AdapterLacksError, type DeviceCaps } from './device/device_caps.ts';
import type { Binding, Dispatch, Param } from './dispatch.ts';
import type { TensorType } from './types.ts';
import { at } from './types.ts';

/** The whole WGSL of a dispatch. With the overrides it is the pipeline's cache key. */
export function assemble(dispatch: Dispatch, types: readonly TensorType[], caps: DeviceCaps): string {
  const lines: string[] = [];
  if (caps.f16 && (usesMatrixUnits(dispatch) || types.some((t) => t.dtype === 'f16'))) {
    lines.push('enable f16;');
  }
  if (caps.subgroups && /\bsubgroup[A-Z]/.test(dispatch.code)) {
    lines.push('enable subgroups;');
  }
  if (/@subgroup_size\b/.test(dispatch.code)) {
    lines.push('enable subgroup_size_control;');
  }
  if (usesMatrixUnits(dispatch)) {
    // Kernels derive their subgroup's part of y from the invocation index. It is uniform in the subgroup, which WGSL cannot prove.
    lines.push('enable chromium_experimental_subgroup_matrix;');
    lines.push('diagnostic(off, chromium.subgroup_matrix_uniformity);');
  }
  for (const [name, value] of Object.entries(dispatch.constants ?? {})) {
    lines.push(typeof value === 'string' ? `alias ${name} = ${value};` : constant(name, value));
  }
  const fields = Object.entries(dispatch.params);
  if (fields.length > 0) {
    lines.push(`struct Params { ${fields.map(([name, p]) => `${name}: ${paramType(p)}`).join(', ')} }`);
    lines.push('@group(0) @binding(0) var<uniform> params: Params;');
  }
  dispatch.bindings.forEach((binding, i) => {
    const definesStore = dispatch.fusedStore === binding.name;
    lines.push(...declare(binding, at(types, i), i + 1, caps, definesStore ? 'put' : 'store'));
  });
  return `${lines.join('\n')}\n${dispatch.code}`;
}

/** Whether matrix units (tensor cores) multiply in this dispatch. */
export const usesMatrixUnits = ({ code }: Pick<Dispatch, 'code'>): boolean => /\bsubgroup_matrix_/.test(code);

/** Bytes of the uniform: params in order, 4 bytes each, padded to 16. */
export function packParams(params: Readonly<Record<string, Param>>): Uint8Array<ArrayBuffer> {
  const values = Object.values(params);
  const bytes = new ArrayBuffer(Math.max(16, Math.ceil(values.length / 4) * 16));
  const view = new DataView(bytes);
  values.forEach((p, i) => {
    if (typeof p === 'number') {
      view.setUint32(i * 4, p, true);
    } else if ('f32' in p) {
      view.setFloat32(i * 4, p.f32, true);
    } else {
      view.setInt32(i * 4, p.i32, true);
    }
  });
  return new Uint8Array(bytes);
}

function paramType(p: Param): string {
  return typeof p === 'number' ? 'u32' : 'f32' in p ? 'f32' : 'i32';
}

function constant(name: string, value: number): string {
  return Number.isInteger(value) ? `const ${name}: u32 = ${value}u;` : `const ${name}: f32 = ${value};`;
}

/** WGSL of one element (or vec4) of a binding: its type, how it is read as f32 and how it is written from f32. */
interface Storage {
  readonly element: string;
  readonly load: string;
  readonly store: string | null;
}

function storage(name: string, type: TensorType, vec: 1 | 4, caps: DeviceCaps): Storage {
  const direct = (element: string, f: string): Storage => ({
    element,
    load: `${f}(${name}[i])`,
    store: `${name}[i] = ${element}(v);`,
  });
  if (type.dtype === 'i32') {
    return direct(vec === 4 ? 'vec4<i32>' : 'i32', vec === 4 ? 'vec4<i32>' : 'i32');
  }
  if (type.dtype === 'f32') {
    return direct(vec === 4 ? 'vec4<f32>' : 'f32', vec === 4 ? 'vec4<f32>' : 'f32');
  }
  if (caps.f16) {
    return direct(vec === 4 ? 'vec4<f16>' : 'f16', vec === 4 ? 'vec4<f32>' : 'f32');
  }
  return vec === 4
    ? {
        element: 'vec2<u32>',
        load: `vec4<f32>(unpack2x16float(${name}[i].x), unpack2x16float(${name}[i].y))`,
        store: `${name}[i] = vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw));`,
      }
    : { element: 'u32', load: `unpack2x16float(${name}[i >> 1u])[i & 1u]`, store: null };
}

function declare(binding: Binding, type: TensorType, index: number, caps: DeviceCaps, verb: 'store' | 'put'): string[] {
  const vec = binding.vec ?? 1;
  const value = type.dtype === 'i32' ? (vec === 4 ? 'vec4<i32>' : 'i32') : vec === 4 ? 'vec4<f32>' : 'f32';
  const { element, load, store } = storage(binding.name, type, vec, caps);
  const access = binding.access === 'read' ? 'read' : 'read_write';
  const lines = [
    `@group(0) @binding(${index}) var<storage, ${access}> ${binding.name}: array<${element}>;`,
    `fn load_${binding.name}(i: u32) -> ${value} { return ${load}; }`,
  ];
  if (binding.access !== 'read') {
    if (store === null) {
      throw new AdapterLacksError(
        `${binding.name}: storing f16 one by one needs the shader-f16 feature; use f32 activations here`,
      );
    }
    lines.push(`fn ${verb}_${binding.name}(i: u32, v: ${value}) { ${store} }`);
  }
  return lines;
}
