/** Sentences for browsers in which the page cannot compute. */

export const NO_WEBGPU =
  'This browser has no WebGPU, so it cannot compute here. Chrome and Edge 113, Safari 26 and Firefox 141 have it; on Linux, Chrome needs chrome://flags/#enable-unsafe-webgpu.';

export const NO_ADAPTER =
  'WebGPU is here, but no graphics adapter that it can use. Turn hardware acceleration on in the browser, or update the graphics driver.';
