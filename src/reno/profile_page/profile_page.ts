import type { Profile } from '../../tensor/profile/profile.ts';
export const profilePage = (p: Profile): string => p.subject;
