/** The files of a folder that was chosen or dropped. */

/** Files by their paths in the folder, and the folder's name. */
export interface ChosenFolder {
  readonly name: string;
  readonly files: readonly (readonly [string, File])[];
}

/** Reads what `<input webkitdirectory>` gives: each file knows its path, which begins with the folder's name. */
export function folderOfInput(list: FileList): ChosenFolder {
  const files = [...list].map((file): [string, File] => {
    const [, ...inside] = file.webkitRelativePath.split('/');
    return [inside.join('/'), file];
  });
  return { name: list[0]?.webkitRelativePath.split('/')[0] ?? 'folder', files };
}

/** Reads a folder that was dropped; null where something else was. */
export async function folderOfDrop(data: DataTransfer): Promise<ChosenFolder | null> {
  const entry = data.items[0]?.webkitGetAsEntry();
  if (!entry?.isDirectory) {
    return null;
  }
  const files: [string, File][] = [];
  await collect(entry as FileSystemDirectoryEntry, '', files);
  return { name: entry.name, files };
}

async function collect(folder: FileSystemDirectoryEntry, path: string, files: [string, File][]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    // At most a hundred entries come at a time.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) {
      return;
    }
    for (const entry of entries) {
      const inside = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory) {
        await collect(entry as FileSystemDirectoryEntry, inside, files);
      } else {
        const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
        files.push([inside, file]);
      }
    }
  }
}
