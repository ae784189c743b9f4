/** Serves the weights of the package beside the page, and copies them into the build. */
export default { publicDir: 'node_modules/reno-webgpu/weights', base: './' };
