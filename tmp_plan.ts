import { nodeFiles } from './src/cli/node_files.ts';
import { openAdapter } from './src/cli/adapter.ts';
import { traceRun } from './src/reno/trace.ts';
import { REFERENCE_SETTINGS } from './src/reno/settings.ts';
import { schedule } from './src/tensor/schedule.ts';
const device = await openAdapter();
console.log(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize, device.caps);
const size = Number(process.argv[3] ?? 512);
const files = nodeFiles(process.argv[2]!);
const t = Date.now();
const run = await traceRun(files, { ...REFERENCE_SETTINGS, noise:'torch-cpu', dtype: (process.argv[4] ?? 'f16') as any, size: [size,size], rewards: {hps:5, clip:0.01, image_reward:1, pick_score:0.05} });
console.log('trace', Date.now()-t, run.spec.keepLayouts, run.step.latents.graph.nodes.length);
const t2=Date.now();
const s = schedule({...run.spec}, device.caps);
console.log('schedule', Date.now()-t2);
const sum=(f:any)=>s.buffers.filter(f).reduce((n:number,b:any)=>n+b.bytes,0)/2**20;
console.log({inputs: sum((b:any)=>b.kind==='input'&&!b.loadOnly), loadOnly: sum((b:any)=>b.loadOnly), constants: sum((b:any)=>b.kind==='constant'), kept: sum((b:any)=>b.kind==='kept'), slots: sum((b:any)=>b.kind==='slot')});
console.log('largest', [...s.buffers].sort((a,b)=>b.bytes-a.bytes).slice(0,8).map(b=>[b.name,b.bytes/2**20,b.kind]));
const variants: Record<string,[number,number]> = {};
const cost: Record<string, number> = {};
for (const stage of ['load','prompt','step'] as const) {
  let fl=0; const seen=new Set();
  for (const st of s.steps[stage]) { const k=stage+' '+st.dispatch.label; const v=variants[k]??=[0,0]; v[0]++; if(!seen.has(st.node)){seen.add(st.node); const c=st.node.op!.cost({inputs:st.node.inputs.map(t=>t.type),outputs:st.node.outputs,attrs:st.node.attrs}).flops; v[1]+=c; fl+=c;} }
  console.log(stage, s.steps[stage].length, 'dispatches', fl/1e12,'TFLOP');
}
for (const [k,v] of Object.entries(variants).sort((a,b)=>b[1][1]-a[1][1]).slice(0,40)) console.log(k.padEnd(50), v[0], (v[1]/1e9).toFixed(1),'GFLOP');
process.exit(0);
