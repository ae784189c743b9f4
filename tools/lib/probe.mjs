/**
 * Run in a child process, because a broken driver may crash or hang it: prints one line of JSON about the adapter
 * that Dawn finds and whether a compute shader gives the right numbers on it. Exit code 0 only if it does.
 */
import { create, globals } from 'webgpu';

const { GPUBufferUsage, GPUMapMode } = globals;
const gpu = create([]);

async function probe() {
  const adapter = await gpu.requestAdapter();
  if (!adapter) {
    return { ok: false, why: 'no adapter' };
  }
  const { vendor, architecture, device: name, description } = adapter.info;
  const info = { vendor, architecture, name, description };
  const device = await adapter.requestDevice();
  const code = `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
    @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.x] = id.x * 3u + 1u; }`;
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }) },
  });
  const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const result = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const entries = [{ binding: 0, resource: { buffer } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, result, 0, 16);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(GPUMapMode.READ);
  const values = [...new Uint32Array(result.getMappedRange())];
  const ok = values.join() === '1,4,7,10';
  return { ok, ...info, ...(ok ? {} : { why: `a shader that should give 1,4,7,10 gave ${values.join()}` }) };
}

const found = await probe().catch((error) => ({ ok: false, why: String(error) }));
console.log(JSON.stringify(found));
// Dawn keeps the event loop alive; nothing is left to wait for.
process.exit(found.ok ? 0 : 1);
