/** The prefix that PyTorch's DataParallel and DistributedDataParallel put in front of every key. */
import type { TensorFile } from './tensor_file.ts';

const PREFIX = 'module.';

/** Returns the file without the prefix, if every key has it. Source: open_clip/src/open_clip/factory.py: load_state_dict. */
export function withoutModulePrefix(file: TensorFile): TensorFile {
  const names = [...file.entries.keys(), ...(file.unreadable?.keys() ?? [])];
  if (names.length === 0 || !names.every((name) => name.startsWith(PREFIX))) {
    return file;
  }
  const bare = (name: string): string => name.slice(PREFIX.length);
  return {
    source: file.source,
    entries: new Map([...file.entries].map(([name, entry]) => [bare(name), { ...entry, name: bare(name) }])),
    unreadable: new Map([...(file.unreadable ?? [])].map(([name, tensor]) => [bare(name), tensor])),
    read: (name, rows) => file.read(PREFIX + name, rows),
  };
}
