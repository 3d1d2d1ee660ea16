/// What a run found: plain values, named as in the result JSON (camel case becomes snake case).
///
/// What grows with CPUs times zones, or with every mapping, is kept for /proc files only and is not
/// part of the JSON. Times end in `Ns` and are in nanoseconds; sizes end in what they count.
package struct RunResult: Encodable, Sendable {
  package var schema = "kmemu.run/1"
  package var name: String
  package var title: String
  package var seed: UInt64
  package var kernel: String
  package var costs: String
  /// What the kernel is built for, and the kind of core.
  package var architecture = "x86-64"
  package var cpuModel = "cascade-lake"
  package var machine: MachineSummary
  package var timeNs: UInt64
  package var warmupNs: UInt64
  /// Passes through the event queue.
  package var events: UInt64
  package var wallS: Double
  package var eventsPerS: Double
  package var fingerprint: String
  /// Whether the run ended before its time: a deadlock, an interrupt by the user.
  package var ended: String
  package var operations: [String: Operation]
  /// Adds up exactly to CPUs times `timeNs`. Keys: `TimeCategory.key`.
  package var cpuTime: [String: UInt64]
  /// For each category the kernel function with most of its time.
  package var topPaths: [String: String]
  package var counters: [String: UInt64]
  package var caches: [Cache]
  /// Pages of slabs, or of SLOB's blocks. Pages that kmalloc gave whole are not among them.
  package var slabPages = 0
  /// What SLOB's lists hold; none where another allocator is behind kmalloc.
  package var slob: Slob?
  /// By call site; empty where the scenario names none.
  package var callSites: [CallSite] = []
  package var zones: [Zone]
  package var vmalloc: Vmalloc
  package var tlb: TLB
  package var locks: [Lock]
  package var interrupts: Interrupts
  /// The first of each kind, in the order they came: `Complaints.keptMax` at most.
  package var violations: [Violation]
  package var violationCount: Int
  /// All of each kind that came, while `violations` keeps some of each.
  package var violationsByKind: [String: Int] = [:]
  package var warnings: [Warning]
  package var warningCount: Int
  /// Small GFP_KERNEL requests that failed here and for which Linux would reclaim or kill.
  package var wouldReclaim: UInt64
  package var expectations: [Expectation] = []
  package var notes: [String]
  /// State of the model. Unit: bytes, of the host; slabs and page records apart.
  package var stateBytesPerCpu: Double

  package struct MachineSummary: Encodable, Sendable {
    package var source: String
    package var cpus: Int
    package var nodes: Int
    package var packages: Int
    package var cores: Int
    package var memoryBytes: UInt64
    package var distances: [[Int]]
  }

  package struct Latency: Encodable, Sendable {
    package var min: Double
    package var mean: Double
    package var p50: Double
    package var p90: Double
    package var p99: Double
    package var max: Double
  }

  package struct Operation: Encodable, Sendable {
    package var count: UInt64
    package var failed: UInt64
    package var throughputPerS: Double
    package var latencyNs: Latency
  }

  /// What one place in the workload allocated, as `perf kmem` has it by caller.
  package struct CallSite: Encodable, Sendable {
    package struct Times: Encodable, Sendable {
      package var mean: Double
      package var max: Double
    }
    package var name: String
    package var allocations: UInt64
    package var failed: UInt64
    package var requestedBytes: UInt64
    package var allocatedBytes: UInt64
    /// Allocated and not requested: what the classes' sizes cost.
    package var wastedBytes: UInt64
    /// Allocations that the CPU's own objects did not serve; those of them that took new pages.
    package var slowPath: UInt64
    package var newSlabs: UInt64
    package var frees: UInt64
    package var crossCpuFrees: UInt64
    package var liveObjects: Int
    /// Live, and no slot has them any more.
    package var leakedObjects: Int
    package var leakedBytes: UInt64
    package var latencyNs: Times
    package var lifetimeNs: Times
  }

  package struct Zone: Encodable, Sendable {
    package var node: Int
    package var zone: String
    package var startPfn: Int
    /// Pages between its first and its last, holes included.
    package var spannedPages: Int
    package var presentPages: Int
    package var managedPages: Int
    package var freePages: Int
    package var freeByOrder: [Int]
    package var watermarks: Watermarks
    /// What mixing types has raised the watermarks by. Unit: pages.
    package var boost: Int
    /// For each class of request, the pages kept from it.
    package var protection: [Int]
    package struct Watermarks: Encodable, Sendable {
      package var min: Int
      package var low: Int
      package var high: Int
      package var promo: Int
    }
    package struct PerCPUPages: Sendable {
      package var cpu: Int
      package var count: Int
      package var high: Int
      package var batch: Int
      package var highMin: Int
      package var highMax: Int
    }
    /// Only with `RunOptions.hasDetails`.
    package var pagesets: [PerCPUPages]

    private enum CodingKeys: CodingKey {
      case node, zone, startPfn, spannedPages, presentPages, managedPages, freePages, freeByOrder
      case watermarks, boost, protection
    }
  }

  package struct Vmalloc: Encodable, Sendable {
    package var areas: Int
    package var lazyPages: Int
    package var lazyMaxPages: Int
    package var purges: Int
    package var pages: Int
    package var allocations: UInt64
    /// Areas unmapped whose flush was left to the next purge.
    package var lazyFrees: UInt64
    /// `vfree` from interrupt context, done by a work item.
    package var deferredFrees: UInt64
    package var purgedAreas: UInt64
    package var tlbMisses: UInt64
    /// Accesses through TLB entries of areas that were freed.
    package var staleAccesses: UInt64
    package struct Area: Sendable {
      package var start: UInt64
      package var end: UInt64
      package var pages: Int
      /// Pages by node.
      package var nodes: [Int]
      /// Made by `vmap`, so its pages are another's.
      package var isVmap: Bool
      /// Of vm_map_ram: it has no vm_struct.
      package var isMapRAM = false
      /// Its array of page pointers is too large for a slab and lies in vmalloc space too.
      package var hasVmallocedArray: Bool
      /// Freed, and still mapped until the next purge.
      package var isUnpurged: Bool
    }
    /// Only with `RunOptions.hasDetails`.
    package var list: [Area]

    private enum CodingKeys: CodingKey {
      case areas, lazyPages, lazyMaxPages, purges, pages, allocations, lazyFrees, deferredFrees
      case purgedAreas, tlbMisses, staleAccesses
    }
  }

  package struct TLB: Encodable, Sendable {
    package var shootdowns: UInt64
    package var ipisSent: UInt64
    package var ipisReceived: UInt64
    package var flushAll: UInt64
    package var flushOne: UInt64
    /// Instructions that told all CPUs at once, where the hardware can: no interrupts.
    package var broadcasts: UInt64 = 0
    package struct Wait: Encodable, Sendable {
      package var mean: Double
      package var max: Double
    }
    package var waitNs: Wait
    /// The CPU that answered last in the longest shootdown; -1 when there was none.
    package var slowestCpu: Int
    /// Where the time of a shootdown goes, to the target that answers last: sending, the
    /// interrupt's way, until the target takes it, its part, until the initiator goes on.
    package struct Parts: Encodable, Sendable {
      package var send = 0.0
      package var travel = 0.0
      package var masked = 0.0
      package var handler = 0.0
      package var ack = 0.0
      package init() {}
      package init(_ parts: [Double]) {
        (send, travel, masked) = (parts[0], parts[1], parts[2])
        (handler, ack) = (parts[3], parts[4])
      }
      package var all: [Double] { [send, travel, masked, handler, ack] }
    }
    /// On average.
    package var partsNs = Parts()
    /// One of the longest shootdowns, and whom it waited for.
    package struct Longest: Encodable, Sendable {
      package var timeNs: Double
      package var initiator: Int
      package var function: String
      package var targets: Int
      package var lengthNs: Double
      package var partsNs: Parts
      package var slowestCpu: Int
      /// Why the interrupt was not taken when it came: `none`, `irqs-off`, `interrupt`,
      /// `instruction`, `idle`.
      package var cause: String
      /// What the slowest CPU ran then, in which thread, holding or waiting for which lock.
      package var path: String
      package var task: String
      package var lock: String?
    }
    package var longest: [Longest] = []
  }

  package struct Lock: Encodable, Sendable {
    package struct Times: Encodable, Sendable {
      package var total: Double
      package var mean: Double
      package var max: Double
    }
    package var name: String
    package var type: String
    package var acquisitions: UInt64
    package var contended: UInt64
    /// Those that waited for it at once, at most.
    package var depthMax: Int
    /// Hand-overs to a CPU of another node.
    package var crossNode: UInt64
    package var waitNs: Times
    package var holdNs: Times
  }

  package struct Interrupts: Encodable, Sendable {
    package struct Source: Encodable, Sendable {
      package var name: String
      package var arrivals: UInt64
      package var cpus: [Int]
      /// How often each CPU's handler ran for it.
      package var handledByCpu: [UInt64]

      private enum CodingKeys: CodingKey { case name, arrivals, cpus }
    }
    package var sources: [Source]
    package var callFunction: UInt64
    package var device: UInt64
    package var softirqs: UInt64
    package var ksoftirqdWakeups: UInt64
    package var contextSwitches: UInt64
    /// From being ready to being switched to, of all tasks.
    package var runQueueWaitNs: TLB.Wait
    package var callFunctionByCpu: [UInt64]
    package var rescheduleByCpu: [UInt64]

    private enum CodingKeys: CodingKey {
      case sources, callFunction, device, softirqs, ksoftirqdWakeups, contextSwitches,
        runQueueWaitNs
    }
  }

  package struct Violation: Encodable, Sendable {
    package var kind: String
    /// In the kernel's own words; of several lines for some.
    package var headline: String
    package var cpu: Int
    package var timeNs: Double
    package var context: String
    package var path: [String]
    package var message: String
  }

  package struct Warning: Encodable, Sendable {
    package var cpu: Int
    package var timeNs: Double
    package var message: String
  }

  package struct Expectation: Encodable, Sendable {
    package var text: String
    package var held: Bool
    package var value: String
    /// The value where the run has none.
    package static let unmeasured = "nothing was measured"

    package init(text: String, held: Bool, value: String) {
      (self.text, self.held, self.value) = (text, held, value)
    }
  }
}
