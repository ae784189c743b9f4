/** The element types of storages and the dtype objects, by torch's names. */
import { STORED_BYTES, type StoredDType } from '../stored_dtype.ts';
import type { ElementType } from './values.ts';

const known = (dtype: StoredDType): ElementType => ({ dtype, itemBytes: STORED_BYTES[dtype] });
const other = (itemBytes: number): ElementType => ({ dtype: null, itemBytes });

/** The storage types, with torch's names. */
export const STORAGES: Readonly<Record<string, ElementType>> = {
  'torch.DoubleStorage': known('F64'),
  'torch.FloatStorage': known('F32'),
  'torch.HalfStorage': known('F16'),
  'torch.BFloat16Storage': known('BF16'),
  'torch.LongStorage': known('I64'),
  'torch.IntStorage': known('I32'),
  'torch.ShortStorage': known('I16'),
  'torch.CharStorage': known('I8'),
  'torch.ByteStorage': known('U8'),
  'torch.BoolStorage': known('BOOL'),
  'torch.storage.UntypedStorage': known('U8'),
  'torch.ComplexFloatStorage': other(8),
  'torch.ComplexDoubleStorage': other(16),
  'torch.QInt8Storage': other(1),
  'torch.QUInt8Storage': other(1),
  'torch.QInt32Storage': other(4),
  'torch.QUInt4x2Storage': other(1),
  'torch.QUInt2x4Storage': other(1),
};

/** The dtype objects, without `torch.`. */
export const DTYPES: Readonly<Record<string, ElementType>> = {
  float64: known('F64'),
  float32: known('F32'),
  float16: known('F16'),
  bfloat16: known('BF16'),
  int64: known('I64'),
  int32: known('I32'),
  int16: known('I16'),
  int8: known('I8'),
  uint64: known('U64'),
  uint32: known('U32'),
  uint16: known('U16'),
  uint8: known('U8'),
  bool: known('BOOL'),
  complex32: other(4),
  complex64: other(8),
  complex128: other(16),
  float8_e4m3fn: other(1),
  float8_e4m3fnuz: other(1),
  float8_e5m2: other(1),
  float8_e5m2fnuz: other(1),
  float8_e8m0fnu: other(1),
  qint8: other(1),
  quint8: other(1),
  qint32: other(4),
  quint4x2: other(1),
  quint2x4: other(1),
};
