// fill   words that differ, so that no memory that packs what is alike has it easy; bandwidth.cc binds `data`
//   launch: 256 threads; GROUPS of them, READS times eight words of 16 bytes each
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  for (var i = 0u; i < 8u * READS; i++) {
    let at = id.x + 256u * GROUPS * i;
    data[at] = vec4<u32>(4u * at, 4u * at + 1u, 4u * at + 2u, 4u * at + 3u) * 2654435761u;
  }
}
