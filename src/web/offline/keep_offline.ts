/** Registers the service worker, which answers without network on later visits. */
import { sentenceOf } from '../../platform/sentence_of.ts';

/** Does nothing where the browser has none: in private windows of some browsers, and on pages without TLS. */
export async function keepOffline(): Promise<void> {
  if (!('serviceWorker' in navigator)) {
    return;
  }
  try {
    await navigator.serviceWorker.register(new URL('sw.js', document.baseURI), { updateViaCache: 'none' });
  } catch (error) {
    console.info(`This page will need the network again: ${sentenceOf(error)}`);
  }
}
