import Hardware
import Simulation

/// Areas whose vfree came in an interrupt: a lock-free list a CPU, emptied by a work item.
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
