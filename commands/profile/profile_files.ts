/** The files of a profile. */
import { join } from 'node:path';
import type { OutFolder } from '../../src/cli/generate/out_folder.ts';
import { isFolder } from '../../src/cli/is_folder.ts';
import { readTextFile } from '../../src/cli/text_file.ts';
import { profilePage } from '../../src/reno/profile_page/profile_page.ts';
import type { Profile } from '../../src/tensor/profile/profile.ts';
import { profileCsv } from '../../src/tensor/profile/profile_csv.ts';
import { readProfile } from '../../src/tensor/profile/read_profile.ts';
import { traceOf } from '../../src/tensor/profile/trace_events.ts';

const RECORD = 'profile.json';

/** Writes profile.json, profile.csv, trace.json and profile.html. @returns their paths */
export function writeProfile(out: OutFolder, profile: Profile): string[] {
  return [
    out.write(RECORD, `${JSON.stringify(profile)}\n`),
    out.write('profile.csv', profileCsv(profile)),
    out.write('trace.json', traceOf(profile)),
    out.write('profile.html', profilePage(profile)),
  ];
}

/** Reads a profile.json, or the one of a folder that `--out` named. @throws Error, one sentence */
export function profileAt(path: string): Profile {
  const file = isFolder(path) ? join(path, RECORD) : path;
  return readProfile(readTextFile('the profile', file), file);
}
