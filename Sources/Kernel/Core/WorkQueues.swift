import Simulation

/// A function to run later in a kworker, and its argument.
///
/// To add one: a case and its frame in `frame`.
package enum WorkItem: BitwiseCopyable, Equatable {
  /// Does nothing; for tests of the queue itself.
  case nothing
  case flushCPUSlab(cache: UInt16)
  case drainVmapArea, delayedVfree
  case purgeVmapNode(VmapNodeID)
  case freeKernelTables
  case kfreeRCUMonitor, fillPageCache
  case kfreeRCU(batch: UInt8)

  var frame: Frame {
    switch self {
    case .nothing: .script(Script(from: 0, to: 0))
    case .flushCPUSlab(let cache): .flushCPUSlab(.start(cache: cache))
    case .drainVmapArea: .drainVmapWork(.start)
    case .delayedVfree: .delayedVfreeWork(.start)
    case .freeKernelTables: .freeKernelTables(.start)
    case .kfreeRCUMonitor: .kfreeRCUMonitor(.start)
    case .fillPageCache: .fillPageCache(.start)
    case .kfreeRCU(let batch): .kfreeRCUWork(.start(batch))
    case .purgeVmapNode(let node): .purgeVmapNode(.start(node))
    }
  }
}

/// The work items that wait for the kworker of each CPU. Kernel: kernel/workqueue.c (6.12).
///
/// Mechanism: queues and the item that runs; no task, no time. Invariant: an item is queued at
/// most once a CPU. Not modelled: unbound pools, more than one worker a CPU at a time.
package struct WorkQueues: ~Copyable {
  struct Entry: BitwiseCopyable {
    var item = WorkItem.nothing
    var next = ID<Entry>.none
  }
  struct Queue: BitwiseCopyable {
    var first = ID<Entry>.none
    var last = ID<Entry>.none
    var running = WorkItem.nothing
    var isRunning = false
    var worker = TaskID.none
  }
  struct Waiter: BitwiseCopyable {
    var item = WorkItem.nothing
    var cpu = CPUID.none
    var task = TaskID.none
    var next = ID<Waiter>.none
  }
  var queues: Buffer<Queue>
  var entries: Pool<Entry>
  var waiters: Pool<Waiter>
  var firstWaiter: ID<Waiter>

  init(cpuCount: Int) {
    queues = Buffer(cpuCount, Queue())
    entries = Pool(capacity: 16, blank: Entry())
    waiters = Pool(capacity: 16, blank: Waiter())
    firstWaiter = .none
  }

  private init(cloning other: borrowing WorkQueues) {
    queues = other.queues.clone()
    entries = other.entries.clone()
    waiters = other.waiters.clone()
    firstWaiter = other.firstWaiter
  }
  func clone() -> WorkQueues { WorkQueues(cloning: self) }

  func isPending(_ item: WorkItem, on cpu: CPUID) -> Bool {
    var entry = queues[cpu.index].first
    while !entry.isNone {
      if entries[entry].item == item { return true }
      entry = entries[entry].next
    }
    return false
  }

  /// Whether the kworker of a CPU has nothing to do.
  package func isIdle(on cpu: CPUID) -> Bool {
    queues[cpu.index].first.isNone && !queues[cpu.index].isRunning
  }

  /// Whether it waits or runs: what `flush_work()` waits for.
  package func isBusy(_ item: WorkItem, on cpu: CPUID) -> Bool {
    isPending(item, on: cpu) || queues[cpu.index].isRunning && queues[cpu.index].running == item
  }

  /// Walks all queues. Complexity: O(items + CPUs).
  func checkInvariants() throws(BrokenInvariant) {
    try entries.checkInvariants("work items")
    try waiters.checkInvariants("waiters for work")
    var seen = 0
    for cpu in 0..<queues.count {
      var (entry, last) = (queues[cpu].first, ID<Entry>.none)
      while !entry.isNone, seen <= entries.liveCount {
        seen += 1
        (last, entry) = (entry, entries[entry].next)
      }
      try ensure(last == queues[cpu].last, "work of CPU \(cpu): the queue ends elsewhere")
    }
    try ensure(
      seen == entries.liveCount, "work: \(entries.liveCount) items counted, \(seen) queued")
  }

  /// Returns: false when the item was queued already.
  mutating func add(_ item: WorkItem, on cpu: CPUID) -> Bool {
    guard !isPending(item, on: cpu) else { return false }
    let entry = entries.take(Entry(item: item))
    let last = queues[cpu.index].last
    if last.isNone { queues[cpu.index].first = entry } else { entries[last].next = entry }
    queues[cpu.index].last = entry
    return true
  }

  /// Takes the next item, which now runs.
  mutating func begin(on cpu: CPUID) -> WorkItem? {
    let entry = queues[cpu.index].first
    guard !entry.isNone else { return nil }
    let (item, next) = (entries[entry].item, entries[entry].next)
    entries.give(entry)
    queues[cpu.index].first = next
    if next.isNone { queues[cpu.index].last = .none }
    queues[cpu.index].running = item
    queues[cpu.index].isRunning = true
    return item
  }

  mutating func end(on cpu: CPUID) { queues[cpu.index].isRunning = false }

  mutating func wait(_ task: TaskID, for item: WorkItem, on cpu: CPUID) {
    firstWaiter = waiters.take(Waiter(item: item, cpu: cpu, task: task, next: firstWaiter))
  }

  /// Takes one task that waits for `item` of `cpu`.
  mutating func takeWaiter(for item: WorkItem, on cpu: CPUID) -> TaskID? {
    var (previous, waiter) = (ID<Waiter>.none, firstWaiter)
    while !waiter.isNone, waiters[waiter].item != item || waiters[waiter].cpu != cpu {
      (previous, waiter) = (waiter, waiters[waiter].next)
    }
    guard !waiter.isNone else { return nil }
    let (task, next) = (waiters[waiter].task, waiters[waiter].next)
    if previous.isNone { firstWaiter = next } else { waiters[previous].next = next }
    waiters.give(waiter)
    return task
  }
}

/// The kworker of a CPU: runs one item after the other, and sleeps when there is none.
///
/// Kernel: `worker_thread()` → `process_one_work()` (kernel/workqueue.c, 6.12).
package enum WorkerThread: Path {
  case start
  case ran
  case wakingWaiters

  package static var name: PathName { .worker_thread }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      guard let item = world.work.begin(on: cpu) else { return .block }
      return ask(.call(item.frame), then: .ran)
    case .ran:
      world.work.end(on: cpu)
      return wakeWaiter(&world, cpu)
    case .wakingWaiters: return wakeWaiter(&world, cpu)
    }
  }

  private mutating func wakeWaiter(_ world: inout World, _ cpu: CPUID) -> Step {
    let item = world.work.queues[cpu.index].running
    if !world.work.isBusy(item, on: cpu), let task = world.work.takeWaiter(for: item, on: cpu) {
      return ask(.wake(task), then: .wakingWaiters)
    }
    return ask(.work(.workQueueOp), then: .start)
  }
}

/// Waits until a work item neither waits nor runs. Kernel: `flush_work()` (6.12).
package enum FlushWork: Path {
  case start(WorkItem, on: CPUID)

  package static var name: PathName { .flush_work }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let item, let target):
      guard world.work.isBusy(item, on: target) else { return .return() }
      world.work.wait(world.cpus[cpu].current, for: item, on: target)
      return .block
    }
  }
}
