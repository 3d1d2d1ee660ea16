import Kernel

/// Operations that a real kernel carried out one after the other, and what it answered after each.
package struct OperationList: Sendable {
  /// As its first comment has it: `slab_fill`.
  package var name: String
  package var file: String
  package var guest: RecordedGuest
  package var operations: [RecordedOperation]
  /// Whether page events were recorded: a list without any was recorded with tracing off.
  package var recordsPageEvents: Bool
  /// Whether TLB flushes were recorded too.
  package var recordsFlushes: Bool {
    operations.contains { $0.figures.contains { $0.key.hasPrefix("tlb.") } }
  }
}

extension OperationList {
  /// Whether it asks vmalloc for large pages, which take the place of tables of small ones.
  var asksForHugePages: Bool {
    operations.contains {
      guard case .allocate(_, let source, _, _, _) = $0.kind,
        case .vmalloc(_, isHuge: true) = source.family
      else { return false }
      return true
    }
  }

  /// Managed pages of zones, where the list prints its zones: ` ~ zone.n0.DMA32 … managed=232077`.
  var managedPages: [KernelConfig.ManagedZone] {
    var found: [KernelConfig.ManagedZone] = []
    for figure in operations.flatMap(\.figures) where figure.key.hasPrefix("zone.n") {
      let parts = figure.key.split(separator: ".")
      guard parts.count == 3, let node = Int(parts[1].dropFirst()), let pages = figure.managed,
        !found.contains(where: { $0.node == node && $0.zone == parts[2] })
      else { continue }
      found.append(.init(node: node, zone: String(parts[2]), pages: pages))
    }
    return found
  }
}

extension RecordedFigure {
  fileprivate var managed: Int? {
    let text: String =
      switch answer {
      case .same(let value): value
      case .byBoot(let values): values.first ?? ""
      }
    let word = text.split(separator: " ").first { $0.hasPrefix("managed=") }
    return word.flatMap { Int($0.dropFirst("managed=".count)) }
  }
}

/// The machine and kernel that a list's second comment names.
package struct RecordedGuest: Sendable, Equatable {
  /// `6.12.117`.
  package var kernel: String
  package var configuration: RecordedConfiguration
  package var cpuCount: Int
  /// The CPUs of each node.
  package var nodes: [[Int]]
  /// Unit: bytes.
  package var memory: UInt64
}

/// One line `op …` and the figures below it.
package struct RecordedOperation: Sendable {
  package var number: Int
  package var line: Int
  /// As it is written, without `op` and number.
  package var text: String
  package var kind: OperationKind
  package var figures: [RecordedFigure]
}

/// One line of an answer.
package struct RecordedFigure: Sendable, Equatable {
  package enum Answer: Sendable, Equatable {
    /// The same in every boot.
    case same(String)
    /// One value a boot; `-` where a boot printed none.
    case byBoot([String])
  }
  package var line: Int
  package var key: String
  package var answer: Answer

  /// Figures that every faithful emulator must answer, whatever else ran on the recorded machine.
  ///
  /// State of page lists, zones and free blocks is no such figure: it depends on what everything
  /// else on that machine did before.
  package var isCore: Bool {
    switch key.prefix(while: { $0 != "." }) {
    case "result", "param", "slab", "sizes", "vmap": true
    case "ev": key.hasPrefix("ev.page_alloc.") || key.hasPrefix("ev.page_free.")
    case "tlb": key.hasSuffix(".calls") || key.hasSuffix(".cpus_run")
    default: false
    }
  }
}

extension OperationKind {
  var isFree: Bool {
    switch self {
    case .free: true
    case .bulk(let bulk): bulk.cache == nil
    default: false
    }
  }

  /// Whether the recorder's own thread did it, whose events were not recorded: what makes and ends
  /// caches, waits and sets. All else is done by a thread on a CPU, and says what it got.
  var isDriversOwn: Bool {
    switch self {
    case .createCache, .watchCache, .destroyCache, .settle, .setting: true
    case .mapUser, .unmapUser: true
    default: false
    }
  }
}

/// What an operation does.
package enum OperationKind: Sendable, Equatable {
  case createCache(String, CacheShape)
  case watchCache(String)
  case destroyCache(String)
  case shrinkCache(String)
  case allocate(OperationSite, from: AllocationSource, count: Int, set: String, wantsRuns: Bool)
  case free(OperationSite, set: String, order: FreeOrder, count: Int?)
  case bulk(BulkOperation)
  case touch(OperationSite, set: String)
  case purge(OperationSite)
  case drain(OperationSite)
  case resetPageLists(OperationSite)
  /// Unit: milliseconds.
  case settle(Int)
  case usableSizes(from: Int, through: Int, stride: Int)
  case setting(String, Int)
  /// User mappings of one page each, made and taken away.
  case mapUser(OperationSite, count: Int)
  case unmapUser(OperationSite, order: FreeOrder, count: Int?)
  /// The same loop on several CPUs at once.
  case churn([Int], ChurnSource, rounds: Int, batch: Int)
  /// An operation of the format that is not emulated, by its name.
  case unsupported(String)
}

package struct CacheShape: Sendable, Equatable {
  /// Unit: bytes.
  package var size: Int
  package var align: Int
  package var flags: [String]
  /// Objects that its sheaves shall hold; 0: as the kernel has it.
  package var sheaf = 0
}

/// Where an operation runs.
package struct OperationSite: Sendable, Equatable {
  package enum Context: String, Sendable, CaseIterable {
    case task, irqoff, soft, hard
  }
  /// `nil`: a CPU of the driver's choice.
  package var cpu: Int?
  package var context: Context
}

/// What is allocated. `gfp` has the bits of `GFPFlags`; `node` is `nil` for any.
package struct AllocationSource: Sendable, Equatable {
  package enum Family: Sendable, Equatable {
    case cache(String)
    /// Unit: bytes.
    case kmalloc(Int)
    case pages(order: Int)
    case vmalloc(Int, isHuge: Bool)
    case kvmalloc(Int)
    /// Pages of the recorder's, mapped.
    case vmap(Int)
    case mapRAM(Int)
  }
  package var family: Family
  package var gfp: UInt32
  package var node: Int?
}

/// What a churn gets and gives back.
package enum ChurnSource: Sendable, Equatable {
  case cache(String)
  /// Unit: bytes.
  case vmalloc(Int)
}

/// In which order a set is freed.
package enum FreeOrder: Sendable, Equatable {
  case fifo, lifo
  case stride(from: Int, step: Int)
  case random(seed: UInt64)

  /// Takes `count` items out of a set, all if nil, in the order in which they are freed.
  ///
  /// What stays keeps its order; a random order stays shuffled.
  package func take<Item>(_ count: Int?, from set: inout [Item]) -> [Item] {
    let wanted = min(count ?? set.count, set.count)
    switch self {
    case .fifo:
      defer { set.removeFirst(wanted) }
      return Array(set.prefix(wanted))
    case .random(let seed):
      FreeOrder.shuffle(&set, seed)
      fallthrough
    case .lifo:
      defer { set.removeLast(wanted) }
      return set.suffix(wanted).reversed()
    case .stride(let from, let step):
      let places = Array(Swift.stride(from: from, to: set.count, by: step).prefix(wanted))
      let taken = places.map { set[$0] }
      for place in places.reversed() { set.remove(at: place) }
      return taken
    }
  }

  /// Fisher-Yates from the end, drawing on the upper 31 bits of Knuth's 64-bit generator.
  private static func shuffle<Item>(_ set: inout [Item], _ seed: UInt64) {
    var state = seed
    for last in Swift.stride(from: set.count - 1, to: 0, by: -1) {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      set.swapAt(last, Int(state >> 33) % (last + 1))
    }
  }
}
