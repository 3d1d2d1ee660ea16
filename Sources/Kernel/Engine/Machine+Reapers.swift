import Simulation

extension Machine {
  /// Starts the reaper of each CPU. Kernel: `cpucache_init()`, `start_cpu_timer()` (mm/slab.c, 6.1).
  mutating func startReapers() {
    for cpu in 0..<cpuCount {
      let task = world.tasks.make(
        "kworker/\(cpu):reap", on: CPUID(cpu), isKernelThread: true, entry: .cacheReap(.start))
      world.slab.arrays.reapNodes[cpu] = nextNode(after: world.memoryNode(of: CPUID(cpu)))
      start(task, at: CacheReap.turn(near: .zero + CacheReap.second, of: CPUID(cpu)))
    }
  }

  /// Kernel: `init_reap_node()`.
  private func nextNode(after node: NodeID) -> UInt8 {
    UInt8(node.index + 1 == world.layout.nodeCount ? 0 : node.index + 1)
  }
}
