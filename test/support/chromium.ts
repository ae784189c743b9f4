/** The patience of tests in a browser. */

/** SwiftShader on a busy machine takes seconds an iteration. */
export const BROWSER_PATIENCE = 400_000;
