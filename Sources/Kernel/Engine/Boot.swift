import Hardware
import Topology

/// What a machine boots with: all that its subsystems derive their sizes and limits from.
///
/// The release must have a kernel for the configuration's architecture: who reads it from a user asks
/// `Architecture.init` before.
package struct Boot: Sendable {
  package let machine: MachineDescription
  package let version: KernelVersion
  package let architecture: Architecture
  package let cpu: CPUModel
  package let costs: Costs
  package let config: KernelConfig
  package let platform: Platform
  package let seed: UInt64

  package init(
    machine: MachineDescription, version: KernelVersion = .standard, cpu: CPUModel? = nil,
    costs: Costs, config: KernelConfig = KernelConfig(), platform: Platform = Platform(),
    seed: UInt64 = 1
  ) {
    guard let cpu = cpu ?? CPUModel.standard(for: config.architecture),
      var architecture = Architecture(
        config.architecture, bits: config.addressBits, in: version, memory: machine.memoryBytes)
    else {
      preconditionFailure("Linux \(version.name) has no \(config.architecture.text) like that")
    }
    self.cpu = cpu
    if let least = config.kmallocMinAlign { architecture.kmallocMin = least }
    (self.machine, self.version, self.architecture) = (machine, version, architecture)
    (self.costs, self.config, self.platform, self.seed) = (costs, config, platform, seed)
  }

  /// The smallest kmalloc class of a configuration. Unit: bytes.
  package static func kmallocMin(_ version: KernelVersion, _ config: KernelConfig) -> Int {
    let architecture = Architecture(
      config.architecture, bits: config.addressBits, in: version, memory: 0)
    return config.kmallocMinAlign ?? architecture?.kmallocMin ?? 8
  }

  package var cpuCount: Int { machine.cpus.count }
  /// Whether processes' page tables lack the kernel. Kernel: `pti_check_boottime_disable()`
  /// (arch/x86/mm/pti.c, 4.15).
  package var hasPTI: Bool {
    Boot.knowsPTI(version, architecture.name) && config.pti ?? cpu.needsPTI
  }
  package static func knowsPTI(_ version: KernelVersion, _ name: Architecture.Name) -> Bool {
    KernelNumber(version.name)! >= KernelNumber("4.15")! && !name.isARM
  }
  package var nodeCount: Int { machine.nodes.count }
}

/// Choices of a kernel's configuration and boot line that change what allocation does.
package struct KernelConfig: Sendable, Equatable {
  /// CONFIG_SLUB, CONFIG_SLAB or CONFIG_SLOB: one that the release has.
  package var slab = SlabKind.slub
  /// What the kernel was built for.
  package var architecture = Architecture.Name.x86_64
  /// Bits of a virtual address, where the architecture lets one choose; nil: 48. Kernel:
  /// `CONFIG_ARM64_VA_BITS`, `CONFIG_X86_5LEVEL` on a machine that has 5 levels.
  package var addressBits: Int?
  /// `pti=`: page tables of processes without the kernel; nil: where the CPU needs it. From 4.15.
  package var pti: Bool?
  /// CONFIG_PREEMPT_NONE, CONFIG_PREEMPT and the others, or `preempt=`; one that the release has.
  package var preemption = PreemptionModel.full
  /// CONFIG_HZ: ticks a second.
  package var hz = 250
  /// CONFIG_NR_CPUS: CPUs that the kernel was built for, as distributions do. More than there are.
  package var possibleCPUs = 8192
  /// `transparent_hugepage=`: khugepaged raises min_free_kbytes.
  package var transparentHugePages = true
  /// CONFIG_SLAB_FREELIST_RANDOM: the order of a new slab's freelist.
  package var slabFreelistRandom = false
  /// `slab_debug=`: what SLUB checks in all caches.
  package var slabDebug: SlabFlags = []
  /// CONFIG_RANDOM_KMALLOC_CACHES, where the release has it: calls from different places get
  /// different copies of the kmalloc caches.
  package var randomKmallocCaches = false
  /// What kmalloc aligns to at least, so its smallest class, where it is not the architecture's 8
  /// bytes: 128 on arm64, 64 or 32 on arm32, where a device's DMA shares no line with others.
  ///
  /// Kernel: `ARCH_KMALLOC_MINALIGN` (arch/arm64/include/asm/cache.h, 6.1), `__kmalloc_minalign()`
  /// (mm/slab_common.c, 6.6) where no swiotlb was allocated.
  package var kmallocMinAlign: Int?
  /// CONFIG_SLAB_BUCKETS, where the release has it: users that ask for it have kmalloc caches of
  /// their own.
  package var slabBuckets = true
  /// Caches that are alike are merged, as without `slab_nomerge`.
  package var slabMerge = false
  /// CONFIG_MEMCG: accounted allocations have caches of their own.
  package var memcg = true
  /// `/proc/sys/vm/min_free_kbytes`, when it was written. Unit: KiB.
  package var minFreeKBytes: Int?
  /// `/proc/sys/vm/watermark_boost_factor`. Unit: 1/10,000.
  package var watermarkBoostFactor = 15_000
  /// Where memory ends below 4 GiB, leaving the rest to devices. Unit: bytes.
  package var lowMemoryEnd: UInt64 = 3 << 30
  /// Managed pages of each zone as recorded, instead of those derived from the memory's size.
  package var managedPages: [ManagedZone] = []
  package init() {}

  package struct ManagedZone: Sendable, Equatable {
    package let node: Int
    package let zone: String
    package let pages: Int
    package init(node: Int, zone: String, pages: Int) {
      (self.node, self.zone, self.pages) = (node, zone, pages)
    }
  }
}
