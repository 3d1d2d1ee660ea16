import Hardware
import Simulation

/// Areas whose vfree came where it cannot be done: a lock-free list a CPU, emptied by a work item.
///
/// Kernel: `struct vfree_deferred` (mm/vmalloc.c, 6.12); the links lie in the freed memory itself.
package struct VfreeDeferred: ~Copyable {
  package struct Entry: BitwiseCopyable {
    var address = Address.null
    var next = ID<Entry>.none
  }
  private var entries: Pool<Entry>
  private var first: Buffer<ID<Entry>>

  init(cpuCount: Int) {
    entries = Pool(capacity: 4, blank: Entry())
    first = Buffer(cpuCount, .none)
  }
  private init(cloning other: borrowing VfreeDeferred) {
    entries = other.entries.clone()
    first = other.first.clone()
  }
  func clone() -> VfreeDeferred { VfreeDeferred(cloning: self) }

  /// Kernel: `llist_add()`. Returns: whether the list was empty, so that work must be queued.
  mutating func push(_ address: Address, on cpu: Int) -> Bool {
    let wasEmpty = first[cpu].isNone
    first[cpu] = entries.take(Entry(address: address, next: first[cpu]))
    return wasEmpty
  }

  /// Kernel: `llist_del_all()`. Returns: the head of a list, last pushed first.
  mutating func takeAll(of cpu: Int) -> ID<Entry> {
    defer { first[cpu] = .none }
    return first[cpu]
  }

  /// Takes the head of a detached list, and says what comes next.
  mutating func take(_ entry: ID<Entry>) -> (address: Address, next: ID<Entry>) {
    let (address, next) = (entries[entry].address, entries[entry].next)
    entries.give(entry)
    return (address, next)
  }
}

/// Puts an area on this CPU's list, whatever the context: a work item frees it.
///
/// Kernel: `vfree_atomic()` (mm/vmalloc.c, 6.12); to 4.9 the first half of `vfree()`.
package enum VfreeAtomic: Path {
  case start(Address)
  case listed(Address)
  case queued

  package static var name: PathName { .vfree_atomic }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      if world.cpus[cpu].preemptCount.inNMI {
        world.complain(.badContext, "vfree_atomic in an NMI is BUG_ON(in_nmi())", on: cpu)
        return .return()
      }
      guard address != .null else { return .return() }
      return ask(.work(.listEdit), then: .listed(address))
    case .listed(let address):
      world.vmalloc.statistics.deferredFrees += 1
      guard world.vmalloc.deferred.push(address, on: cpu.index) else { return .return() }
      return ask(.queueWork(.delayedVfree, on: cpu), then: .queued)
    case .queued: return .return()
    }
  }
}

/// Frees what was left on this CPU's list. Kernel: `delayed_vfree_work()` (6.12).
package enum DelayedVfreeWork: Path {
  case start
  case next(ID<VfreeDeferred.Entry>)

  package static var name: PathName { .delayed_vfree_work }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return free(world.vmalloc.deferred.takeAll(of: cpu.index), &world)
    case .next(let entry): return free(entry, &world)
    }
  }

  private mutating func free(_ entry: ID<VfreeDeferred.Entry>, _ world: inout World) -> Step {
    guard !entry.isNone else { return .return() }
    let (address, next) = world.vmalloc.deferred.take(entry)
    return ask(.call(.vfree(.start(address))), then: .next(next))
  }
}
