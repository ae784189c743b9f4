/**
 * The library as Node sees it: as src/index.ts, with Dawn in the place of `navigator.gpu`, paths beside URLs, and PNG files.
 * @module reno-webgpu
 */
export * from './engine.ts';
export * from './models.ts';
export {
  type AdapterChoice,
  type AdapterName,
  listAdapters,
  type OpenDeviceOptions,
  openDevice,
} from './platform/node/open_device.ts';
export {
  modelFolder,
  type OpenRenoOptions,
  openReno,
  openReward,
  pocketModels,
} from './platform/node/open_models.ts';
export { readPng, writePng } from './platform/node/png.ts';
export * from './reno.ts';
