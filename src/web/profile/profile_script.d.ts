declare module 'profile-script' {
  /** Binds the figures of a profile's report that are in the document. The build makes this module from the report's script. */
  export function bindProfile(): void;
}
