/** The library as browsers and bundlers see it. Node sees src/node.ts: the same, with files and Dawn. */
export * from './engine.ts';
export * from './models.ts';
export { drawPicture } from './platform/browser/draw_picture.ts';
export { type OpenDeviceOptions, openDevice } from './platform/browser/open_device.ts';
export { modelFolder, type OpenRenoOptions, openReno, openReward } from './platform/browser/open_models.ts';
export * from './reno.ts';
