/** Errors as Node throws them. */
import { sentenceOf } from '../sentence_of.ts';

/** `code` of a Node system error such as EACCES, if it is one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EPIPE: 'its reader has gone',
  EIO: 'the device reports an error',
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is a file',
  EISDIR: 'it is a folder',
  EEXIST: 'a file of that name is in the way',
  ENAMETOOLONG: 'the name is too long for the file system',
  ELOOP: 'its symbolic links lead in a circle',
  EMFILE: 'too many files are open',
  EINVAL: 'the file system does not take the name',
};

/** Returns the reason of a Node system error in plain words; of any other error, its sentence. */
export function reasonOf(error: unknown): string {
  return REASONS[systemCode(error) ?? ''] ?? sentenceOf(error);
}
